//! What may be said about a request that poem-openapi could not read.
//!
//! The library's messages name the parameter or field to blame, but also repeat values and name Rust types. Only the parts
//! that come from our own declarations are passed on; a message of another form yields the general sentence.

use poem::http::StatusCode;
use poem_openapi::error::{ParseParamError, ParsePathError, ParseRequestPayloadError};

use super::Problem;
use crate::server::routes::Entry;

/// A parameter in the path, the query or a header.
pub(super) fn parameter(error: &ParseParamError, route: Option<&Entry>) -> Problem {
    named(error.name, &error.reason, route)
}

/// A parameter in the path.
pub(super) fn path(error: &ParsePathError, route: Option<&Entry>) -> Problem {
    named(error.name, &error.reason, route)
}

fn named(name: &str, reason: &str, route: Option<&Entry>) -> Problem {
    // The library only numbers the parameters in a path.
    let number = name.strip_prefix("param").and_then(|number| number.parse().ok());
    let name = number.and_then(|number| route?.parameter(number)).unwrap_or(name);
    let message = rule(reason).or_else(|| expected(reason)).unwrap_or_else(|| "is not acceptable".to_owned());
    bad_request().detail(format!("The parameter `{name}` is not acceptable.")).field(name, message)
}

/// A JSON or form body.
pub(super) fn body(error: &ParseRequestPayloadError, route: Option<&Entry>) -> Problem {
    let reason = error.reason.as_str();
    if let Some(field) = between(reason, "field `", "`") {
        if let Some(message) = rule(reason) {
            return bad_request().detail(format!("The field `{field}` is not acceptable.")).field(field, message);
        }
        // Messages of serde for a form; both name a field that we declared.
        if reason.starts_with("missing field") {
            return bad_request().detail(format!("The field `{field}` is missing.")).field(field, "is required");
        }
        if reason.starts_with("duplicate field") {
            return bad_request().detail(format!("The field `{field}` is given twice.")).field(field, "may be given once");
        }
    }
    // One of our own names, in a body where it cannot be set; any other is the client's invention and stays out.
    let unknown = between(reason, "unknown field `", "`");
    if let Some(field) = unknown.filter(|field| route.is_some_and(|route| route.has_member(field))) {
        let problem = bad_request().detail(format!("The field `{field}` cannot be set here."));
        return problem.field(field, "cannot be set here");
    }
    if reason.contains("unknown field `") {
        return bad_request().detail("The body has a field that is not known here.");
    }
    if let Some(field) = between(reason, "properties `", "` is read only") {
        return bad_request().detail(format!("The field `{field}` is read only.")).field(field, "is read only");
    }
    if let Some(position) = between(reason, " at line ", "").filter(|position| is_position(position)) {
        return bad_request().detail(format!("The body is not valid JSON, at line {position}."));
    }
    match expected(reason) {
        Some(message) => bad_request().detail(format!("A field is missing or of another type: one {message}.")),
        None => bad_request().detail("The body is not what this resource expects."),
    }
}

fn bad_request() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST)
}

/// The validator that failed, written in our own declaration: `maxLength(64)`.
fn rule(reason: &str) -> Option<String> {
    let rule = between(reason, "verification failed. ", "")?;
    let rule = rule.split(" (occurred while parsing").next()?;
    Some(format!("must satisfy {rule}"))
}

/// The primitive type that was expected: `integer(int32)`. The name of an object is a Rust name and stays here.
fn expected(reason: &str) -> Option<String> {
    let name = between(reason, "Expected input type \"", "\"").or_else(|| between(reason, "failed to parse \"", "\""))?;
    let is_primitive = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "()-".contains(c));
    is_primitive.then(|| format!("must be of type {name}"))
}

fn is_position(text: &str) -> bool {
    text.len() < 32 && text.chars().all(|c| c.is_ascii_digit() || " column".contains(c))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    if after.is_empty() { Some(rest) } else { rest.split_once(after).map(|(found, _)| found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reason: &str) -> String {
        let problem = body(&ParseRequestPayloadError { reason: reason.to_owned() }, None);
        serde_json::to_string(&problem).unwrap()
    }

    #[test]
    fn a_validator_is_named_with_its_field() {
        let error = ParseRequestPayloadError {
            reason: r#"failed to parse "CreateDocument": field `title` verification failed. minLength(1)"#.to_owned(),
        };
        let problem = body(&error, None);
        assert_eq!(problem.detail.as_deref(), Some("The field `title` is not acceptable."));
        assert_eq!(problem.errors.unwrap()[0].message, "must satisfy minLength(1)");

        let nested = told(
            r#"failed to parse "Inner": field `name` verification failed. maxLength(8) (occurred while parsing "CreateDocument")"#,
        );
        assert!(nested.contains("maxLength(8)") && !nested.contains("CreateDocument"), "{nested}");
    }

    #[test]
    fn a_value_is_never_repeated() {
        let told = told(r#"Expected input type "string", found {"password":"hunter2"}. (occurred while parsing "CreateUser")"#);
        assert!(told.contains("must be of type string"), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("CreateUser"), "{told}");
    }

    #[test]
    fn a_field_of_the_clients_own_invention_is_not_repeated() {
        let told = told(r#"failed to parse "CreateUser": unknown field `<script>`."#);
        assert!(told.contains("not known here") && !told.contains("script"), "{told}");
    }

    #[test]
    fn a_field_of_ours_that_cannot_be_set_is_named() {
        let document = r#"{"paths": {"/users": {"post": {}}},
            "components": {"schemas": {"User": {"properties": {"created_at": {}}}}}}"#;
        let routes = crate::server::routes::Routes::from_document(document).unwrap();
        let told = |field: &str| {
            let reason = format!(r#"failed to parse "CreateUser": unknown field `{field}`."#);
            serde_json::to_string(&body(&ParseRequestPayloadError { reason }, routes.find("/users"))).unwrap()
        };
        assert!(told("created_at").contains("`created_at` cannot be set"), "{}", told("created_at"));
        assert!(!told("invented").contains("invented"), "{}", told("invented"));
    }

    #[test]
    fn a_syntax_error_tells_where() {
        assert!(told("expected value at line 3 column 17").contains("at line 3 column 17"));
        assert!(!told("something `at line <script>").contains("script"));
    }

    #[test]
    fn a_form_field_is_named() {
        assert!(told("missing field `token`").contains("`token` is missing"));
        assert!(told("duplicate field `scope`").contains("`scope` is given twice"));
    }

    #[test]
    fn a_parameter_is_named_with_the_type_it_should_have() {
        let error = ParseParamError {
            name: "limit",
            reason: r#"failed to parse "integer(uint32)": invalid digit found in string"#.to_owned(),
        };
        let problem = parameter(&error, None);
        assert_eq!(problem.detail.as_deref(), Some("The parameter `limit` is not acceptable."));
        assert_eq!(problem.errors.unwrap()[0].message, "must be of type integer(uint32)");
    }

    #[test]
    fn a_message_of_unknown_form_says_nothing() {
        let told = told("SELECT * FROM user");
        assert!(told.contains("not what this resource expects") && !told.contains("SELECT"), "{told}");
    }
}
