//! The audit trail: what happened, newest first.

use futures_util::stream;
use poem::Body;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::Query,
    payload::{Binary, Json},
};
use shared::server::{
    paging::{after, default_limit, next_page},
    problem::{Malformed, Refused},
};

use crate::{
    audit::{AuditLog, Filter, Recorded},
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
        problem::unavailable,
    },
};

const PATH: &str = "/admin/audit-events";
/// How many events an export reads at a time.
const EXPORT_BATCH: u32 = 500;

/// The audit trail.
pub(in crate::http) struct AuditEventsApi {
    pub(in crate::http) log: AuditLog,
}

/// What came of it.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "lowercase")]
enum Outcome {
    /// It was done.
    Ok,
    /// It was refused.
    Refused,
    /// There was too much of it.
    Throttled,
}

/// Something that happened.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct AuditEvent {
    /// The identifier.
    id: String,
    /// When, RFC 3339.
    at: String,
    /// What was done or tried: `login`, `user.create`, `session.end` and so on.
    action: String,
    /// `ok`, `refused` or `throttled`.
    outcome: String,
    /// Why it was refused, or why it happened; the caller of that request was not told.
    reason: Option<String>,
    /// Who did it, where that is not the subject.
    actor: Option<String>,
    /// Whom or what it is about.
    subject: Option<String>,
    /// The client through which it was done, or that it is about.
    client_id: Option<String>,
    /// The address it came from.
    ip: Option<String>,
    /// The request it belongs to: the `X-Request-Id` of its answer.
    request_id: Option<String>,
    /// More about it. A user name that nobody has stands here as a keyed hash.
    detail: Option<String>,
    /// Its number in the chain; absent for the few seconds until it is sealed.
    number: Option<i64>,
    /// SHA-256 over it and the hash of the event before it, base64url.
    hash: Option<String>,
}

/// One page of events, newest first.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct AuditEventPage {
    /// The events of this page.
    events: Vec<AuditEvent>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
enum ListReply {
    /// A page of events.
    #[oai(status = 200)]
    Page(
        Json<AuditEventPage>,
        /// The next page, with `rel="next"` (RFC 8288); absent on the last page.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum ExportReply {
    /// Every event that matches, newest first, as one JSON object a line.
    #[oai(status = 200, content_type = "application/x-ndjson")]
    Lines(Binary<Body>),
}

#[OpenApi(prefix_path = "/admin/audit-events", tag = "ApiTag::Administration")]
impl AuditEventsApi {
    /// Search the audit trail
    ///
    /// Lists what happened, newest first; what you do not name does not matter. Takes the scope `admin:audit`.
    ///
    /// When there are more, `next_cursor` and the `Link` header with `rel="next"` lead to the next page.
    #[oai(path = "/", method = "get", operation_id = "list_audit_events")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminAudit")] caller: Authenticated,
        /// How many events a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(name = "cursor", validator(max_length = 100))]
        place: Query<Option<String>>,
        /// What was done or tried, exactly.
        #[oai(validator(max_length = 64))]
        action: Query<Option<String>>,
        /// What came of it.
        outcome: Query<Option<Outcome>>,
        /// Whom or what it is about: an identifier.
        #[oai(validator(max_length = 255))]
        subject: Query<Option<String>>,
        /// Who did it: an identifier.
        #[oai(validator(max_length = 255))]
        actor: Query<Option<String>>,
        /// The client through which it was done, or that it is about.
        #[oai(validator(max_length = 64))]
        client: Query<Option<String>>,
        /// The address it came from, exactly.
        #[oai(validator(max_length = 45))]
        ip: Query<Option<String>>,
        /// From this instant on, RFC 3339.
        #[oai(validator(max_length = 40))]
        since: Query<Option<String>>,
        /// Until before this instant, RFC 3339.
        #[oai(validator(max_length = 40))]
        until: Query<Option<String>>,
    ) -> Result<ListReply, Refused> {
        caller.0.require(scope::ADMIN_AUDIT)?;
        let before = after(place.0.as_deref(), event_id)?;
        let filter = Filter {
            action: action.0,
            outcome: outcome.0.map(Outcome::name).map(ToOwned::to_owned),
            subject: subject.0,
            actor: actor.0,
            client: client.0,
            ip: ip.0,
            since: instant("since", since.0.as_deref())?,
            until: instant("until", until.0.as_deref())?,
        };
        let mut events = self.log.search(&filter, before.as_deref(), limit.0 + 1).await.map_err(unavailable)?;
        let has_more = events.len() > limit.0 as usize;
        events.truncate(limit.0 as usize);
        let last = events.last().filter(|_| has_more).map(|last| last.id.as_str());
        let filters = [
            ("action", filter.action.as_deref()),
            ("outcome", filter.outcome.as_deref()),
            ("subject", filter.subject.as_deref()),
            ("actor", filter.actor.as_deref()),
            ("client", filter.client.as_deref()),
            ("ip", filter.ip.as_deref()),
            ("since", since.0.as_deref()),
            ("until", until.0.as_deref()),
        ];
        let (next_cursor, link) = next_page(PATH, limit.0, &filters, last);
        let events = events.into_iter().map(AuditEvent::from).collect();
        Ok(ListReply::Page(Json(AuditEventPage { events, next_cursor }), link))
    }

    /// Export the audit trail
    ///
    /// Everything between two instants, newest first, as JSON lines. Takes the scope `admin:audit`.
    #[oai(path = "/export", method = "get", operation_id = "export_audit_events")]
    async fn export(
        &self,
        #[oai(scope = "ApiScope::AdminAudit")] caller: Authenticated,
        /// From this instant on, RFC 3339.
        #[oai(validator(max_length = 40))]
        since: Query<Option<String>>,
        /// Until before this instant, RFC 3339.
        #[oai(validator(max_length = 40))]
        until: Query<Option<String>>,
    ) -> Result<ExportReply, Refused> {
        caller.0.require(scope::ADMIN_AUDIT)?;
        let filter = Filter {
            since: instant("since", since.0.as_deref())?,
            until: instant("until", until.0.as_deref())?,
            ..Filter::default()
        };
        // The first read decides between an answer and a refusal; a later one that fails cuts the answer off.
        let first = self.log.search(&filter, None, EXPORT_BATCH).await.map_err(unavailable)?;
        let log = self.log.clone();
        let batches = stream::try_unfold(Some(first), move |batch| {
            let (log, filter) = (log.clone(), filter.clone());
            async move {
                let Some(events) = batch.filter(|events: &Vec<Recorded>| !events.is_empty()) else { return Ok(None) };
                let lines: String = events.iter().map(Recorded::line).collect();
                let last = events.last().map(|event| event.id.clone());
                let next = log.search(&filter, last.as_deref(), EXPORT_BATCH).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(Some((lines, Some(next))))
            }
        });
        Ok(ExportReply::Lines(Binary(Body::from_bytes_stream(batches))))
    }
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
        }
    }
}

impl From<Recorded> for AuditEvent {
    fn from(event: Recorded) -> Self {
        Self {
            id: event.id,
            at: event.at,
            action: event.action,
            outcome: event.outcome,
            reason: event.reason,
            actor: event.actor,
            subject: event.subject,
            client_id: event.client_id,
            ip: event.ip,
            request_id: event.request_id,
            detail: event.detail,
            number: event.number,
            hash: event.hash,
        }
    }
}

fn event_id(text: &str) -> Option<String> {
    let is_ours =
        text.strip_prefix("evt_").is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_ours.then(|| text.to_owned())
}

fn instant(name: &'static str, text: Option<&str>) -> Result<Option<i64>, Malformed> {
    text.map(|text| clock::parse_rfc3339(text).ok_or(Malformed(name))).transpose()
}
