//! Three auth-services, each a process of its own, on one PostgreSQL and behind a balancer.
//!
//! They need a PostgreSQL of their own; where none is installed they say so and are skipped. On SQLite there is one process:
//! a second one on the same file is for the command line, and for the moment in which one version takes over from another.

mod agreement;
mod loss;
mod rolling;
mod start;

use std::sync::Arc;

use futures_util::future::join_all;
use tests::{AuthHome, AuthProcess, AuthProgram, Http, OAuthClient, PostgresqlServer, Relay};
use tokio::net::TcpListener;

/// Three replicas that each made a master key of their own could not share what is sealed.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Three replicas, for as long as they are kept.
struct Replicas {
    processes: Vec<Option<AuthProcess>>,
    programs: Vec<AuthProgram>,
    balancer: Relay,
    home: Arc<AuthHome>,
    server: PostgresqlServer,
}

impl Replicas {
    /// Starts three at once on an empty database; none where there is no PostgreSQL.
    async fn start() -> Option<Self> {
        let server = PostgresqlServer::start()?;
        let home = Arc::new(AuthHome::on(&server, None).await);
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let issuer = format!("http://localhost:{}", socket.local_addr().expect("it is bound").port());
        let program = || {
            AuthProgram::living_in(env!("CARGO_BIN_EXE_command-line"), Arc::clone(&home))
                .setting("AUTH_ISSUER", &issuer)
                .setting("AUTH_MASTER_KEYS", MASTER_KEY)
        };
        let programs: Vec<AuthProgram> = (0..3).map(|_| program()).collect();
        let processes = join_all(programs.iter().map(AuthProgram::serve)).await.into_iter().map(Some).collect();
        let balancer = Relay::on(socket, programs.iter().map(AuthProgram::port));
        Some(Self { processes, programs, balancer, home, server })
    }

    /// The name of all of them, by way of the balancer: every request on a connection of its own, and so at another replica.
    fn balanced(&self) -> Http {
        Http::anew_at(format!("http://localhost:{}", self.balancer.port()))
    }

    /// A replica that runs.
    fn process(&self, number: usize) -> &AuthProcess {
        self.processes[number].as_ref().expect("it runs")
    }

    /// A client application at one of them.
    fn client(&self, number: usize) -> OAuthClient {
        self.process(number).client()
    }

    /// What the operator does at a command line beside them.
    async fn operate(&self, arguments: &[&str], input: &str) -> String {
        self.programs[0].expect(arguments, input).await
    }
}
