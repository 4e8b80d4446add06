//! JSON Schema, as far as the document uses it. A keyword that is not known here is an error, so
//! that nothing is taken for checked which is not.

use serde_json::Value;

/// Keywords that say something to readers and nothing of the value.
const NOTES: &[&str] = &["title", "description", "examples", "example", "default"];

/// Why a value is not what a schema says; nothing where it is.
pub(crate) fn check(schema: &Value, value: &Value, document: &Value) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else {
        return match schema.as_bool() {
            Some(true) => Ok(()),
            _ => Err(format!("{value}: nothing may be here")),
        };
    };
    for (keyword, says) in keywords {
        let is_so = match keyword.as_str() {
            "$ref" => {
                let place = says.as_str().and_then(|place| place.strip_prefix('#'));
                let schema = place.and_then(|place| document.pointer(place));
                check(schema.expect("it leads somewhere"), value, document)?;
                true
            }
            "type" => names(says).iter().any(|name| is_a(value, name)),
            "enum" => says.as_array().is_some_and(|all| all.contains(value)),
            "const" => says == value,
            "allOf" => {
                for schema in list(says) {
                    check(schema, value, document)?;
                }
                true
            }
            "anyOf" => fitting(says, value, document) > 0,
            "oneOf" => fitting(says, value, document) == 1,
            "required" => value
                .as_object()
                .is_none_or(|of| names(says).iter().all(|name| of.contains_key(*name))),
            "properties" => {
                for (name, schema) in says.as_object().into_iter().flatten() {
                    let Some(member) = value.get(name) else { continue };
                    check(schema, member, document).map_err(|why| format!("{name}.{why}"))?;
                }
                true
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    let is_known = schema["properties"].get(name).is_some();
                    if !is_known {
                        check(says, member, document).map_err(|why| format!("{name}.{why}"))?;
                    }
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(says, item, document).map_err(|why| format!("{index}.{why}"))?;
                }
                true
            }
            "pattern" => {
                let pattern = says.as_str().expect("a pattern is a text");
                value.as_str().is_none_or(|text| fits(pattern, text))
            }
            "format" => match says.as_str() {
                Some("date-time") => value.as_str().is_none_or(is_time),
                Some("uint8" | "uint16" | "uint32" | "uint64" | "uint") => {
                    value.is_null() || value.is_u64()
                }
                _ => return Err(format!("{says}: a format that is not known")),
            },
            "minimum" => value.as_f64() >= says.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= says.as_f64() || !value.is_number(),
            "minLength" => chars(value).is_none_or(|len| Some(len) >= says.as_u64()),
            "maxLength" => chars(value).is_none_or(|len| Some(len) <= says.as_u64()),
            "minItems" => {
                value.as_array().is_none_or(|all| Some(all.len() as u64) >= says.as_u64())
            }
            "maxItems" => {
                value.as_array().is_none_or(|all| Some(all.len() as u64) <= says.as_u64())
            }
            "maxProperties" => {
                value.as_object().is_none_or(|all| Some(all.len() as u64) <= says.as_u64())
            }
            note if NOTES.contains(&note) => true,
            keyword => return Err(format!("{keyword}: a keyword that is not known")),
        };
        if !is_so {
            return Err(format!(" {value}: not {keyword} {says}"));
        }
    }
    Ok(())
}

fn list(says: &Value) -> &[Value] {
    says.as_array().map_or(&[], Vec::as_slice)
}

/// One text, or those of a list.
fn names(says: &Value) -> Vec<&str> {
    match says.as_str() {
        Some(name) => vec![name],
        None => list(says).iter().filter_map(Value::as_str).collect(),
    }
}

fn fitting(schemas: &Value, value: &Value, document: &Value) -> usize {
    list(schemas).iter().filter(|schema| check(schema, value, document).is_ok()).count()
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn chars(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

/// A time as the server shows it: UTC, with milliseconds.
fn is_time(text: &str) -> bool {
    fits("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z", text)
}

/// Whether a text is what a pattern of letters, classes, groups and counts says from end to end.
fn fits(pattern: &str, text: &str) -> bool {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    let text: Vec<char> = text.chars().collect();
    ends(&pattern.chars().collect::<Vec<_>>(), &text, vec![0]).contains(&text.len())
}

/// Where in a text a pattern may end which begins at one of these places.
fn ends(pattern: &[char], text: &[char], mut at: Vec<usize>) -> Vec<usize> {
    let mut rest = pattern;
    while let Some(first) = rest.first() {
        let close = |end: char| rest.iter().position(|c| *c == end).expect("it is closed") + 1;
        let len = match first {
            '[' => close(']'),
            '(' => close(')'),
            _ => 1,
        };
        let (piece, behind) = rest.split_at(len);
        let (least, most, len) = match behind.first() {
            Some('?') => (0, 1, 1),
            Some('*') => (0, text.len(), 1),
            Some('+') => (1, text.len(), 1),
            Some('{') => {
                let end = behind.iter().position(|c| *c == '}').expect("it is closed");
                let counts: String = behind[1..end].iter().collect();
                let (least, most) = counts.split_once(',').unwrap_or((&counts, &counts));
                (least.parse().expect("a count"), most.parse().expect("a count"), end + 1)
            }
            _ => (1, 1, 0),
        };
        rest = &behind[len..];
        let mut reached = if least == 0 { at.clone() } else { Vec::new() };
        for count in 1..=most {
            at = match piece {
                ['(', group @ .., ')'] => {
                    let either = group.split(|c| *c == '|');
                    either.flat_map(|one| ends(one, text, at.clone())).collect()
                }
                piece => {
                    let one = |at: &usize| text.get(*at).is_some_and(|c| is_of(*c, piece));
                    at.into_iter().filter(one).map(|at| at + 1).collect()
                }
            };
            if at.is_empty() {
                break;
            }
            if count >= least {
                reached.extend(&at);
            }
        }
        reached.sort_unstable();
        reached.dedup();
        at = reached;
    }
    at
}

/// Whether a letter is the one that a pattern asks for, or of its class.
fn is_of(letter: char, piece: &[char]) -> bool {
    let ['[', class @ .., ']'] = piece else { return piece == ['.'] || piece == [letter] };
    let mut class = class;
    while let [first, rest @ ..] = class {
        class = match rest {
            ['-', last, rest @ ..] => {
                if (*first..=*last).contains(&letter) {
                    return true;
                }
                rest
            }
            rest => {
                if *first == letter {
                    return true;
                }
                rest
            }
        };
    }
    false
}

#[test]
fn a_pattern_fits_from_end_to_end() {
    let asset = "^[A-Z][A-Z0-9_]{0,16}(/[0-9]{1,2})?$";
    for (pattern, text, is_fit) in [
        (asset, "USD/2", true),
        (asset, "U", true),
        (asset, "USD/", false),
        (asset, "USD/222", false),
        (asset, "usd", false),
        ("^[A-Za-z0-9._:@-]+$", "a-b@c", true),
        ("^[A-Za-z0-9._:@-]+$", "", false),
        ("^[A-Za-z0-9._:@-]+$", "a/b", false),
        ("^-?[0-9]{1,3}$", "-12", true),
        ("^-?[0-9]{1,3}$", "1234", false),
        ("^(a|[0-9]{2})-.+$", "42-x", true),
        ("^(a|[0-9]{2})-.+$", "a-x", true),
        ("^(a|[0-9]{2})-.+$", "4-x", false),
    ] {
        assert_eq!(fits(pattern, text), is_fit, "{pattern} {text}");
    }
}

#[test]
fn a_value_is_checked_in_all_its_parts() {
    let document = serde_json::json!({ "of": { "type": "integer", "minimum": 1 } });
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": { "type": ["array", "null"], "items": { "$ref": "#/of" } },
            "b": { "oneOf": [{ "const": "x" }, { "type": "string", "maxLength": 1 }] },
        },
    });
    for (value, is_fit) in [
        (r#"{"a":[1,2]}"#, true),
        (r#"{"a":null,"b":"y"}"#, true),
        (r#"{"a":[0]}"#, false),
        (r#"{"b":"y"}"#, false),
        (r#"{"a":null,"b":"x"}"#, false),
        (r#"{"a":null,"c":1}"#, false),
        ("[]", false),
    ] {
        let read = serde_json::from_str(value).expect("JSON");
        assert_eq!(check(&schema, &read, &document).is_ok(), is_fit, "{value}");
    }
    let unknown = serde_json::json!({ "unheard": 1 });
    assert!(check(&unknown, &Value::Null, &document).is_err());
}
