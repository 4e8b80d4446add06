//! Examples: one of each body, made of its schema.

use serde_json::{Map, Value, json};

/// How deep a schema is followed.
const DEPTH: usize = 12;

/// Adds an example to each body of requests and successes.
pub(super) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        if let Some(body) = operation.pointer_mut("/requestBody/content/application~1json") {
            body["example"] = of(&body["schema"], &schemas, DEPTH);
        }
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        for response in responses.values_mut() {
            if let Some(body) = response.pointer_mut("/content/application~1json") {
                body["example"] = of(&body["schema"], &schemas, DEPTH);
            }
        }
    }
}

/// One value that a schema allows.
fn of(schema: &Value, schemas: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let deeper = |schema: &Value| of(schema, schemas, depth - 1);
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or("");
        return deeper(&schemas[name]);
    }
    if let Some(first) = schema["examples"].get(0) {
        return first.clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for either in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[either].get(0) {
            return deeper(first);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let members = schema["properties"].as_object();
            let members = members.into_iter().flatten();
            Value::Object(members.map(|(name, schema)| (name.clone(), deeper(schema))).collect())
        }
        Some("array") => json!([deeper(&schema["items"])]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("string") => json!("text"),
        _ => Value::Null,
    }
}
