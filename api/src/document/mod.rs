//! The OpenAPI document, made of the table of routes, and the page that shows it.

mod example;

use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::caller::Needs;
use crate::problem::{Kind, Shown as Problem};
use crate::reply::JSON;
use crate::route::{Content, Param, Route, Says};
use crate::shown::{KINDS, StreamName};

/// The page that shows the document. It loads nothing from elsewhere.
pub(crate) const PAGE: &str = include_str!("page.html");

/// The document, as JSON.
pub(crate) fn document(routes: &[Route]) -> String {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    let mut groups: Vec<&str> = Vec::new();
    for route in routes {
        if !groups.contains(&route.says.group) {
            groups.push(route.says.group);
        }
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut schemas);
    }
    let problem = schemas.shown.subschema_for::<Problem<'_>>();
    debug_assert!(problem.get("$ref").is_some(), "it has a name");
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quipu",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": groups.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "securitySchemes": {
                "key": {
                    "type": "http", "scheme": "bearer",
                    "description": "A key `qk_…`. On loopback, while none was made, none is asked \
                                    for.",
                },
            },
        },
    });
    example::add(&mut document);
    document.to_string()
}

const ABOUT: &str = "A durable ledger: nobody is told anything, yes or no, before what it rests on \
survives power loss.\n\nAn `Idempotency-Key` makes a change safe to repeat: for 24 hours the same \
request under the same key happens once and answers the same. Only successes and the statuses 402, \
409, 410 and 412 are kept. Amounts are whole minor units, as strings. Times are RFC 3339 in UTC.";

/// The schemas of what is taken and of what is shown: absent members differ.
struct Schemas {
    taken: SchemaGenerator,
    shown: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = |contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings.contract = contract;
            settings
        };
        let taken = settings(Contract::Deserialize).with_transform(RecursiveTransform(bound));
        let shown = settings(Contract::Serialize).with_transform(RecursiveTransform(close));
        Self { taken: taken.into_generator(), shown: shown.into_generator() }
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        for (name, schema) in self.shown.take_definitions(true) {
            let known = all.insert(name.clone(), schema.clone());
            assert!(known.is_none_or(|known| known == schema), "two schemas are named {name}");
        }
        all
    }
}

/// A body that is shown has the members that are named, and no other.
fn close(schema: &mut Schema) {
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

/// A number that is taken is no larger than what it is read into.
fn bound(schema: &mut Schema) {
    let most = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => u32::MAX.into(),
        Some("uint64" | "uint") => u64::MAX,
        _ => return,
    };
    if schema.get("maximum").is_none() {
        schema.insert("maximum".to_owned(), most.into());
    }
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let says = &route.says;
    let mut operation = json!({
        "operationId": says.name,
        "summary": says.summary,
        "tags": [says.group],
        "parameters": parameters(route, schemas),
        "responses": responses(route, schemas),
        "security": if route.needs == Needs::Nothing { json!([]) } else { json!([{ "key": [] }]) },
    });
    if let Needs::Any(scopes) = route.needs {
        let names: Vec<&str> = scopes.names().collect();
        let scopes = format!("Takes a key with the scope {}.", names.join(" or "));
        operation["description"] = scopes.into();
    }
    if let Some(takes) = says.takes {
        operation["requestBody"] = json!({
            "required": !says.takes_nothing_too,
            "content": { "application/json": { "schema": takes(&mut schemas.taken) } },
        });
    }
    operation
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let Says { query, is_keyed, has_versions, may_only_create, .. } = &route.says;
    let places = route.path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let id: Schema = schemas.taken.subschema_for::<crate::wire::Text<quipu_ledger::words::Id>>();
    let mut all: Vec<Value> = places
        .map(|(name, _)| {
            let schema = match (name, route.path) {
                ("token", _) => json!({
                    "type": "string", "pattern": "^[0-9a-f]{64}$", "examples": ["ab".repeat(32)],
                }),
                ("kind", _) => json!({
                    "type": "string", "enum": KINDS.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                }),
                ("id", path) if path.starts_with("/v1/streams/") => {
                    schemas.taken.subschema_for::<StreamName>().to_value()
                }
                _ => id.clone().to_value(),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    for Param { name, says, schema } in query {
        let mut schema = schema(&mut schemas.taken);
        bound(&mut schema);
        all.push(json!({ "name": name, "in": "query", "description": says, "schema": schema }));
    }
    let mut header = |name: &str, says: &str, schema: Value| {
        all.push(json!({ "name": name, "in": "header", "description": says, "schema": schema }));
    };
    if *is_keyed {
        let key = json!({
            "type": "string", "pattern": "^([!#-~][!-~]{0,254}|\"[!-~]{1,255}\")$",
            "examples": ["order-7"],
        });
        header("Idempotency-Key", "Makes it safe to repeat, for 24 hours. Bare or in quotes.", key);
    }
    if *has_versions {
        let tag = json!({
            "type": "string", "pattern": "^\"[0-9]{1,19}\"$", "minLength": 3, "maxLength": 21,
            "examples": ["\"42\""],
        });
        header("If-Match", "Only at this version of the stream.", tag);
    }
    if *may_only_create {
        let star = json!({ "type": "string", "const": "*" });
        header("If-None-Match", "Only where there is none.", star);
    }
    all
}

fn responses(route: &Route, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    for gives in &route.says.gives {
        let content = match &gives.content {
            Content::Json(schema) => {
                json!({ "application/json": { "schema": schema(&mut schemas.shown) } })
            }
            Content::Text(content_type) => {
                let essence = content_type.split(';').next().unwrap_or(content_type);
                let kind = if essence == JSON { "object" } else { "string" };
                json!({ essence: { "schema": { "type": kind } } })
            }
        };
        let headers = headers(route, gives.status);
        let description = if gives.status == 201 { "Something is new." } else { "Done." };
        let known = responses.entry(gives.status.to_string());
        known.or_insert(json!({
            "description": description, "headers": headers, "content": content,
        }));
    }
    for (status, kinds) in problems(route) {
        let titles: Vec<String> =
            kinds.iter().map(|kind| format!("`{}`: {}.", kind.code, kind.title)).collect();
        let examples: Map<String, Value> = kinds
            .iter()
            .map(|kind| {
                let value = json!({
                    "type": format!("/docs#{}", kind.code), "title": kind.title,
                    "status": kind.status, "detail": kind.title, "code": kind.code,
                    "request_id": "5eaf00d5eaf00d00-1",
                });
                (kind.code.to_owned(), json!({ "value": value }))
            })
            .collect();
        let schema = schemas.shown.subschema_for::<Problem<'_>>();
        responses.insert(
            status.to_string(),
            json!({
                "description": titles.join(" "),
                "headers": headers(route, status),
                "content": {
                    "application/problem+json": { "schema": schema, "examples": examples },
                },
            }),
        );
    }
    Value::Object(responses)
}

/// The headers of an answer with this status.
fn headers(route: &Route, status: u16) -> Value {
    let mut headers = json!({
        "X-Request-Id": {
            "description": "Names this answer in the server's log.", "required": true,
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._:@-]{1,128}$" },
        },
    });
    // These are decided before the ledger is asked, or without it.
    let is_of_ledger = !matches!(status, 401 | 403 | 413 | 415 | 500..);
    if route.path.starts_with("/v1/") && is_of_ledger {
        headers["Quipu-Position"] = json!({
            "description": "What the answer rests on.",
            "schema": { "type": "integer", "minimum": 0 },
        });
        headers["ETag"] = json!({
            "description": "The version of the stream, where it is about one.",
            "schema": { "type": "string", "pattern": "^\"[0-9]{1,19}\"$" },
        });
    }
    // What is not of these was not kept.
    if route.says.is_keyed && matches!(status, 200 | 201 | 402 | 409 | 410 | 412) {
        headers["Idempotent-Replayed"] = json!({
            "description": "`true` where this was answered before.",
            "schema": { "type": "string", "const": "true" },
        });
    }
    if Kind::all().any(|kind| kind.status == status && kind.retry_after()) {
        headers["Retry-After"] = json!({
            "description": "After how many seconds to ask again.", "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        });
    }
    if status == Kind::UNAUTHENTICATED.status {
        headers["WWW-Authenticate"] = json!({
            "description": "What a key is shown with.", "required": true,
            "schema": { "type": "string" },
        });
    }
    headers
}

/// The problems that a route may come to, by their status.
fn problems(route: &Route) -> Vec<(u16, Vec<Kind>)> {
    let says = &route.says;
    let mut codes: Vec<&str> = says.codes.clone();
    codes.push("forbidden");
    if route.needs != Needs::Nothing {
        codes.extend(["unauthenticated", "malformed", "internal", "overloaded"]);
        codes.extend(["starting", "stopping", "log_failed", "unavailable"]);
        if route.method != axum::http::Method::GET {
            codes.push("disk_full");
        }
    }
    if says.takes.is_some() {
        codes.extend(["too_large", "unsupported_media_type"]);
    }
    if says.is_keyed {
        codes.push("idempotency_key_reused");
    }
    if says.has_versions || says.may_only_create {
        codes.push("version_mismatch");
    }
    let mut by_status: Vec<(u16, Vec<Kind>)> = Vec::new();
    for kind in Kind::all().filter(|kind| codes.contains(&kind.code)) {
        match by_status.iter_mut().find(|(status, _)| *status == kind.status) {
            Some((_, kinds)) => kinds.push(kind),
            None => by_status.push((kind.status, vec![kind])),
        }
    }
    let unknown: Vec<&&str> =
        codes.iter().filter(|code| Kind::all().all(|kind| kind.code != **code)).collect();
    debug_assert!(unknown.is_empty(), "{}: no such codes: {unknown:?}", route.path);
    by_status
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::routes;

    #[test]
    fn the_document_is_whole() {
        let routes = routes::all();
        let document: Value = serde_json::from_str(&document(&routes)).expect("JSON");
        let mut names = HashSet::new();
        for route in &routes {
            let Route { path, method, says, .. } = route;
            let operation = &document["paths"][path][method.as_str().to_ascii_lowercase()];
            assert!(names.insert(says.name), "{} twice", says.name);
            assert!(!says.gives.is_empty() && !says.group.is_empty(), "{path}");
            assert_eq!(operation["operationId"], says.name);
        }
        let mut refs = Vec::new();
        refs_of(&document, &mut refs);
        for name in refs {
            let place = name.strip_prefix('#').expect("within the document");
            assert!(document.pointer(place).is_some(), "{name} leads nowhere");
        }
    }

    fn refs_of(value: &Value, refs: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                refs.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| refs_of(value, refs));
            }
            Value::Array(values) => values.iter().for_each(|value| refs_of(value, refs)),
            _ => {}
        }
    }
}
