//! The document as a test of its own: every answer that a test gets is looked up in it.

use serde_json::Value;

use crate::ground::Told;
use crate::schema;

/// Headers of HTTP itself.
const PLAIN: &[&str] =
    &["content-type", "content-length", "transfer-encoding", "connection", "date"];

/// The OpenAPI document of a server.
pub(crate) struct Document(pub(crate) Value);

/// One operation of the document, and one of its statuses.
pub(crate) type Seen = (String, u16);

impl Document {
    /// All there are: the method, the path and what is said of it.
    pub(crate) fn operations(&self) -> Vec<(String, &str, &Value)> {
        let paths = self.0["paths"].as_object().expect("paths").iter();
        let methods = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").iter();
            methods.map(move |(method, operation)| {
                (method.to_ascii_uppercase(), path.as_str(), operation)
            })
        });
        methods.collect()
    }

    /// The operation that a request is for: a path as it is comes before one with places.
    fn operation(&self, method: &str, target: &str) -> Option<&Value> {
        let path = target.split('?').next().unwrap_or(target);
        let fits = |template: &str| {
            let places = template.split('/').zip(path.split('/'));
            template.split('/').count() == path.split('/').count()
                && places.clone().all(|(place, given)| {
                    place == given || place.starts_with('{') && !given.is_empty()
                })
        };
        let all = self.operations().into_iter();
        let fitting = all.filter(|(known, template, _)| known == method && fits(template));
        fitting.min_by_key(|(_, template, _)| template.matches('{').count()).map(|(_, _, of)| of)
    }

    /// Checks an answer, and says which operation has given it. What no route takes is in no
    /// document.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, target: &str, told: &Told) -> Option<Seen> {
        let asked = format!("{method} {target} → {}", told.status);
        let Some(operation) = self.operation(method, target) else {
            let is_astray = [403, 404, 405].contains(&told.status);
            assert!(is_astray, "{asked}: it is not in the document");
            return None;
        };
        let response = &operation["responses"][told.status.to_string()];
        assert!(response.is_object(), "{asked}: the status is not in the document: {told:?}");
        for (name, value) in &told.headers {
            let documented = response["headers"].as_object().expect("headers").iter();
            let mut documented = documented.filter(|(known, _)| known.eq_ignore_ascii_case(name));
            let known = documented.next();
            let Some((_, header)) = known else {
                assert!(PLAIN.contains(&name.as_str()), "{asked}: the header {name} is unknown");
                continue;
            };
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => serde_json::from_str(value).unwrap_or(Value::Null),
                _ => Value::from(value.as_str()),
            };
            let is_so = schema::check(&header["schema"], &value, &self.0);
            is_so.unwrap_or_else(|why| panic!("{asked}: the header {name}: {why}"));
        }
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let is_there = told.header(&name.to_ascii_lowercase()).is_some();
            assert!(
                is_there || header["required"] != true,
                "{asked}: the header {name} is missing"
            );
        }
        let content_type = told.header("content-type").expect("a body has a type");
        let essence = content_type.split(';').next().unwrap_or(content_type);
        let content = &response["content"][essence];
        assert!(content.is_object(), "{asked}: {essence} is not in the document");
        if essence.ends_with("json") {
            let body = told.json();
            let is_so = schema::check(&content["schema"], &body, &self.0);
            is_so.unwrap_or_else(|why| panic!("{asked}: {why}\n{body}"));
            if essence == "application/problem+json" {
                let code = body["code"].as_str().expect("a code");
                let is_known = content["examples"].get(code).is_some();
                assert!(is_known, "{asked}: the code {code} is not in the document");
            }
        }
        let name = operation["operationId"].as_str().expect("a name");
        Some((name.to_owned(), told.status))
    }
}
