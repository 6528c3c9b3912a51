//! Traces: one for a request, through both services (W3C Trace Context, OTLP), and what is never in them.

mod collector;
mod programs;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tests::{ADMIN_PASSWORD, free_address, until};

use self::{
    collector::{Collector, Span},
    programs::Programs,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const ME: &str = "GET /me";
const TOKEN: &str = "POST /oauth2/token";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

#[track_caller]
fn only<'a>(spans: &'a [Span], service: &str, name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.service == service && span.name == name).collect();
    assert_eq!(found.len(), 1, "{service}: {name} in {spans:#?}");
    found[0]
}

/// Whether a span is done for another, at any depth.
fn is_below(spans: &[Span], span: &Span, above: &Span) -> bool {
    span.parent == above.id || spans.iter().any(|parent| parent.id == span.parent && is_below(spans, parent, above))
}

#[tokio::test]
async fn a_request_with_an_api_key_is_one_trace_through_both_services() {
    let collector = Collector::start().await;
    let programs = Programs::start(Some(collector.url())).await;
    let key = programs.api_key().await;

    let answer = programs.resource.http().get("/me").api_key(&key).header("traceparent", traceparent("01")).send().await;

    answer.assert_status(200);
    let spans = collector.trace(TRACE, &[ME, TOKEN]).await;
    let (asked, fetch) = (only(&spans, "resource-service", ME), only(&spans, "resource-service", "POST"));
    let exchange = only(&spans, "auth-service", TOKEN);
    assert_eq!((asked.parent.as_str(), asked.kind), (CALLER, SpanKind::Server));
    assert_eq!((fetch.kind, exchange.kind), (SpanKind::Client, SpanKind::Server));
    assert!(is_below(&spans, fetch, asked));
    assert_eq!(exchange.parent, fetch.id, "the services' spans are one tree");
    for (service, name) in [("auth-service", "sign"), ("auth-service", "db api_key.exchanged"), ("auth-service", "db begin")] {
        let mut steps = spans.iter().filter(|span| span.service == service && span.name == name);
        assert!(steps.any(|step| is_below(&spans, step, exchange)), "{name} in {spans:#?}");
    }
    assert!(is_below(&spans, only(&spans, "resource-service", "access token verify"), asked));

    let told = |span: &Span, name: &str| span.attributes.get(name).cloned().unwrap_or_default();
    assert_eq!([told(asked, "http.request.method"), told(asked, "http.route")], ["GET", "/me"]);
    assert_eq!([told(asked, "http.response.status_code"), told(exchange, "http.response.status_code")], ["200", "200"]);
    assert_eq!(told(asked, "request.id"), answer.header("x-request-id").expect("there is an id"));
    assert!(told(fetch, "url.full").ends_with("/oauth2/token"), "{fetch:?}");
    assert!(spans.iter().all(|span| !span.is_error));

    let line = programs.resource.access_line("GET /me 200", TRACE).await;
    assert_eq!(line["request_id"].as_str(), answer.header("x-request-id"));
    let line = programs.auth.access_line("POST /oauth2/token 200", TRACE).await;
    assert_eq!(line["request_id"], told(exchange, "request.id"));
    assert!(programs.resource.metrics().await.contains(&format!("# {{trace_id=\"{TRACE}\"}}")), "a bucket leads to the trace");
}

#[tokio::test]
async fn a_login_shows_where_its_time_goes_and_nothing_that_is_secret() {
    let collector = Collector::start().await;
    let programs = Programs::start(Some(collector.url())).await;
    let login = programs.client().password_request("admin", ADMIN_PASSWORD);

    let answer = login.header("traceparent", traceparent("01")).send().await;
    let token = answer.assert_tokens();
    let wrong = programs.client().password_request("somebody-unknown", "hunter2hunter2");
    wrong.header("traceparent", traceparent("01")).send().await.assert_oauth_error(400, "invalid_grant");
    programs.auth.http().get("/account?password=hunter2hunter2").header("traceparent", traceparent("01")).send().await;

    let spans = collector.trace(TRACE, &["GET /account", "db audit_event.record", "db session.open"]).await;
    let logins: Vec<_> = spans.iter().filter(|span| span.name == TOKEN).collect();
    assert_eq!(logins.len(), 2);
    for name in ["password hash wait", "password hash", "db user.by_canonical", "db login_attempt.change"] {
        for login in &logins {
            let below = spans.iter().filter(|span| span.name == name && is_below(&spans, span, login)).count();
            assert!(below > 0, "{name} in {spans:#?}");
        }
    }
    for name in ["sign", "db session.open", "db client.by_id"] {
        assert!(spans.iter().any(|span| span.name == name), "{name} in {spans:#?}");
    }
    let all = format!("{:?}", collector.spans());
    for secret in [ADMIN_PASSWORD, "hunter2hunter2", token.as_str(), "somebody-unknown", "SELECT", "INSERT", "127.0.0.1"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(collector.spans().iter().all(|span| span.events == 0), "log lines are not exported");
}

#[tokio::test]
async fn the_caller_decides_whether_its_trace_is_recorded() {
    let collector = Collector::start().await;
    let programs = Programs::start(Some(collector.url())).await;
    let metadata = async |traceparent: &str| {
        let path = "/.well-known/oauth-authorization-server";
        programs.auth.http().get(path).header("traceparent", traceparent).send().await.assert_status(200);
    };
    let later = "11111111111111111111111111111111";

    metadata(&traceparent("00")).await;
    metadata(&format!("00-{later}-{CALLER}-01")).await;

    let route = "GET /.well-known/oauth-authorization-server";
    collector.trace(later, &[route]).await;
    assert!(collector.spans().iter().all(|span| span.trace != TRACE), "they arrive in order");
    programs.auth.access_line(&format!("{route} 200"), TRACE).await;
}

#[tokio::test]
async fn what_is_no_traceparent_is_passed_over_and_a_trace_begins_here() {
    let programs = Programs::start(None).await;
    let malformed =
        [format!("{}-x", traceparent("01")), traceparent("01").to_uppercase(), format!("ff{}", &traceparent("01")[2..])];

    for value in &malformed {
        let answer = programs.auth.http().get("/account").header("traceparent", value).send().await;
        answer.assert_status(401).assert_no_echo(TRACE);
        let id = answer.header("x-request-id").expect("there is an id").to_owned();
        let line = programs.auth.line("GET /account 401", "request_id", &id).await;
        let trace = line["trace_id"].as_str().expect("there is a trace");
        assert_eq!(trace.len(), 32, "{line}");
        assert!(trace != TRACE && !trace.contains('A'), "{line}");
    }
}

#[tokio::test]
async fn without_a_collector_the_callers_trace_is_still_in_both_logs() {
    let programs = Programs::start(None).await;
    let key = programs.api_key().await;

    let asked = programs.resource.http().get("/me").api_key(&key).header("traceparent", traceparent("01"));
    asked.send().await.assert_status(200);

    programs.resource.access_line("GET /me 200", TRACE).await;
    programs.auth.access_line("POST /oauth2/token 200", TRACE).await;
    assert!(!programs.auth.metrics().await.contains("otlp_spans"), "what is off is not there");
    let recorded = programs.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(recorded.len(), 1);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let nobody = format!("http://{}", free_address());
    let programs = Programs::start(Some(&nobody)).await;
    programs.client().log_in("admin", ADMIN_PASSWORD).await;

    until("what cannot be delivered is counted", async || {
        programs.auth.metrics().await.lines().any(|line| {
            let count = line.strip_prefix("otlp_spans_dropped_total{reason=\"unreachable\"} ");
            count.is_some_and(|count| count != "0")
        })
    })
    .await;

    programs.client().log_in("admin", ADMIN_PASSWORD).await;
    assert!(programs.auth.metrics().await.contains("otlp_spans_exported_total 0"));
    assert_eq!(programs.auth.log().matches("Traces are given up until the collector takes them").count(), 1);
    assert!(programs.auth.stop().await, "it ends well all the same");
}

#[tokio::test]
async fn a_service_that_stops_delivers_its_last_spans() {
    let collector = Collector::start().await;
    let programs = Programs::start(Some(collector.url())).await;

    programs.auth.http().get("/account").header("traceparent", traceparent("01")).send().await.assert_status(401);
    assert!(programs.auth.stop().await);

    let spans = collector.spans();
    assert!(spans.iter().any(|span| span.trace == TRACE && span.name == "GET /account"), "{spans:#?}");
}
