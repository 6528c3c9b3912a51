//! What the edge knows about a service's paths: their templates, for logs and metrics, and their methods, for `Allow`.
//!
//! The framework keeps both to itself: its patterns have lost the parameters' names, and its 405 names no method. The
//! `OpenAPI` document that the service publishes has them, so nothing is written down twice.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use poem::http::{HeaderValue, Method};
use serde_json::Value;

/// Paths that both services have besides those in their `OpenAPI` document.
const COMMON: [&str; 4] = ["/health/live", "/health/ready", "/docs", "/openapi.json"];

/// The paths of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Routes(Arc<Table>);

#[derive(Debug)]
struct Table {
    entries: Vec<Entry>,
    /// Where the paths without parameters are: most requests are for one of them, and find it at once.
    literal: HashMap<Arc<str>, usize>,
    /// Where the others are, by how they begin; the empty text stands for a parameter.
    by_beginning: HashMap<String, Vec<usize>>,
}

/// One path of a service.
#[derive(Clone, Debug)]
pub struct Entry {
    template: Arc<str>,
    segments: Vec<Segment>,
    methods: Vec<Method>,
    allow: HeaderValue,
    /// The members of every body in the document.
    members: Arc<BTreeSet<String>>,
}

#[derive(Clone, Debug)]
enum Segment {
    Literal(Box<str>),
    Parameter(Box<str>),
    /// `{*name}`: whatever is left, down to the end.
    Rest(Box<str>),
}

/// The document is not an `OpenAPI` document.
#[derive(Debug, thiserror::Error)]
#[error("the OpenAPI document has no `paths`")]
pub struct NotOpenApi;

impl Routes {
    /// Reads the paths of an `OpenAPI` document, and adds those that both services have (health, documentation).
    pub fn from_document(spec: &str) -> Result<Self, NotOpenApi> {
        let spec: Value = serde_json::from_str(spec).map_err(|_| NotOpenApi)?;
        let paths = spec.get("paths").and_then(Value::as_object).ok_or(NotOpenApi)?;
        let schemas = spec.pointer("/components/schemas").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
        let members = schemas.filter_map(|schema| schema.get("properties")?.as_object()).flat_map(|members| members.keys());
        let members: Arc<BTreeSet<String>> = Arc::new(members.cloned().collect());
        let documented = paths.iter().map(|(path, item)| {
            let names = item.as_object().into_iter().flat_map(|item| item.keys());
            // Other members of a path item (`parameters`, `summary`) are no methods.
            let methods = names.filter_map(|name| documented_method(name)).collect();
            Entry { members: Arc::clone(&members), ..Entry::new(path, methods) }
        });
        Ok(documented.chain(COMMON.map(|path| Entry::new(path, vec![Method::GET]))).collect())
    }

    /// Adds a path that is not in the document.
    #[must_use]
    pub fn with(self, template: &str, methods: &[Method]) -> Self {
        let added = Entry::new(template, methods.to_vec());
        self.0.entries.iter().cloned().chain([added]).collect()
    }

    /// The entry that a request's path falls under; one without parameters wins over one with.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        if let Some(&at) = self.0.literal.get(path) {
            return self.0.entries.get(at);
        }
        let beginnings = [first_segment(path), ""].into_iter().filter_map(|beginning| self.0.by_beginning.get(beginning));
        let likely = beginnings.flatten().filter_map(|&at| self.0.entries.get(at));
        likely.filter(|entry| entry.matches(path)).min_by_key(|entry| entry.parameters().count())
    }
}

impl Default for Routes {
    fn default() -> Self {
        COMMON.map(|path| Entry::new(path, vec![Method::GET])).into_iter().collect()
    }
}

impl FromIterator<Entry> for Routes {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let entries: Vec<Entry> = entries.into_iter().collect();
        // Of two alike the first counts.
        let literal = entries.iter().enumerate().rev().filter(|(_, entry)| entry.parameters().next().is_none());
        let literal = literal.map(|(at, entry)| (Arc::clone(&entry.template), at)).collect();
        let mut by_beginning: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.parameters().next().is_some()) {
            let beginning = match entry.segments.get(1) {
                Some(Segment::Literal(literal)) => literal.to_string(),
                Some(Segment::Parameter(_) | Segment::Rest(_)) | None => String::new(),
            };
            by_beginning.entry(beginning).or_default().push(at);
        }
        Self(Arc::new(Table { entries, literal, by_beginning }))
    }
}

impl Entry {
    fn new(template: &str, mut methods: Vec<Method>) -> Self {
        // The framework answers HEAD wherever it answers GET.
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        methods.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let allow = HeaderValue::from_str(&names.join(", ")).expect("method names are header characters");
        let segments = template.split('/').map(Segment::of).collect();
        Self { template: template.into(), segments, methods, allow, members: Arc::default() }
    }

    /// The path with its parameters' names: `/documents/{id}`.
    pub fn template(&self) -> &Arc<str> {
        &self.template
    }

    /// The methods that can be used here, sorted by name.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The methods as the value of an `Allow` header (RFC 9110 §10.2.1).
    pub fn allow(&self) -> &HeaderValue {
        &self.allow
    }

    /// The name of a parameter by its place among the parameters in the path.
    pub(super) fn parameter(&self, place: usize) -> Option<&str> {
        self.parameters().nth(place)
    }

    /// Whether a body of this service, in a request or an answer, has a member of this name.
    pub(super) fn has_member(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) | Segment::Rest(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    fn matches(&self, path: &str) -> bool {
        let mut segments = self.segments.iter();
        for part in path.split('/') {
            match segments.next() {
                Some(Segment::Literal(literal)) if **literal == *part => {}
                Some(Segment::Parameter(_)) if !part.is_empty() => {}
                Some(Segment::Rest(_)) => return true,
                Some(Segment::Literal(_) | Segment::Parameter(_)) | None => return false,
            }
        }
        segments.next().is_none()
    }
}

impl Segment {
    fn of(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => match name.strip_prefix('*') {
                Some(name) => Self::Rest(name.into()),
                None => Self::Parameter(name.into()),
            },
            None => Self::Literal(text.into()),
        }
    }
}

/// What stands between the first slash and the second.
fn first_segment(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

fn documented_method(name: &str) -> Option<Method> {
    const METHODS: [Method; 8] =
        [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS, Method::HEAD, Method::PATCH, Method::TRACE];
    METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let spec = r#"{"paths":{
            "/documents":{"get":{},"post":{},"summary":"All"},
            "/documents/{id}":{"get":{},"put":{},"delete":{},"parameters":[]},
            "/documents/recent":{"post":{}}}}"#;
        Routes::from_document(spec).unwrap().with("/rest/{*rest}", &[Method::PATCH])
    }

    fn found(path: &str) -> Option<(String, String)> {
        let routes = routes();
        let entry = routes.find(path)?;
        Some((entry.template().to_string(), entry.allow().to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_path_is_found_with_its_template_and_its_methods() {
        assert_eq!(found("/documents"), Some(("/documents".to_owned(), "GET, HEAD, POST".to_owned())));
        assert_eq!(found("/documents/17"), Some(("/documents/{id}".to_owned(), "DELETE, GET, HEAD, PUT".to_owned())));
        assert_eq!(found("/documents/recent"), Some(("/documents/recent".to_owned(), "POST".to_owned())));
        assert_eq!(found("/health/ready"), Some(("/health/ready".to_owned(), "GET, HEAD".to_owned())));
        assert_eq!(found("/rest/x/y//z"), Some(("/rest/{*rest}".to_owned(), "PATCH".to_owned())));
    }

    #[test]
    fn a_path_that_begins_with_a_parameter_is_found_unless_another_fits_better() {
        let routes = routes().with("/{any}/recent", &[Method::GET]).with("/{any}/{other}", &[Method::GET]);
        let found = |path: &str| routes.find(path).map(|entry| entry.template().to_string());
        assert_eq!(found("/notes/recent").as_deref(), Some("/{any}/recent"));
        assert_eq!(found("/notes/1").as_deref(), Some("/{any}/{other}"));
        assert_eq!(found("/documents/1").as_deref(), Some("/documents/{id}"));
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in ["/", "", "*", "/documents/", "//documents", "/documents/17/pages", "/document", "/rest"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn something_else_is_not_taken_for_a_document() {
        assert!(Routes::from_document("{}").is_err());
        assert!(Routes::from_document("").is_err());
    }
}
