//! Routes: what each path and method does, who may ask it, and what the document says of it.
//! The router and the document are both made of this one table.

use core::future::Future;
use core::pin::Pin;

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::caller::{self, Needs};
use crate::entrance::Meter;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Cx;

/// What a request comes to.
pub(crate) type Answer = Result<Reply, Problem>;

type Soon = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Makes the schema of a body.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As axum and OpenAPI spell it: places stand in braces.
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    pub(crate) act: Box<dyn Fn(Cx) -> Soon + Send + Sync>,
    /// What a body may be at most, in bytes; 0 where there is none.
    pub(crate) body_max: usize,
    pub(crate) says: Says,
    pub(crate) meter: Meter,
}

/// What the document says of a route.
pub(crate) struct Says {
    /// A name for it, in snake case.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) group: &'static str,
    pub(crate) takes: Option<SchemaOf>,
    pub(crate) takes_nothing_too: bool,
    pub(crate) gives: Vec<Gives>,
    pub(crate) codes: Vec<&'static str>,
    pub(crate) query: Vec<Param>,
    pub(crate) is_keyed: bool,
    pub(crate) has_versions: bool,
    pub(crate) may_only_create: bool,
}

/// A success that a route gives.
pub(crate) struct Gives {
    pub(crate) status: u16,
    pub(crate) content: Content,
}

/// What a success holds.
pub(crate) enum Content {
    Json(SchemaOf),
    Text(&'static str),
}

/// A parameter of the query.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) schema: SchemaOf,
}

/// What a body may be, unless a route says otherwise: a record of 64 KiB, however it is escaped.
const BODY_MAX: usize = 512 << 10;

impl Route {
    pub(crate) fn new<F, A>(
        (method, path): (Method, &'static str),
        needs: Needs,
        (name, summary): (&'static str, &'static str),
        act: F,
    ) -> Self
    where
        F: Fn(Cx) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let says = Says {
            name,
            summary,
            group: "",
            takes: None,
            takes_nothing_too: false,
            gives: Vec::new(),
            codes: Vec::new(),
            query: Vec::new(),
            is_keyed: false,
            has_versions: false,
            may_only_create: false,
        };
        let meter = Meter::new(&method, path);
        let act = Box::new(move |cx| Box::pin(act(cx)) as Soon);
        Self { method, path, needs, act, body_max: 0, says, meter }
    }

    /// A read.
    pub(crate) fn get<F, A>(path: &'static str, says: (&'static str, &'static str), act: F) -> Self
    where
        F: Fn(Cx) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self::new((Method::GET, path), caller::READ, says, act)
    }

    /// A change, which a key makes safe to repeat.
    pub(crate) fn post<F, A>(path: &'static str, says: (&'static str, &'static str), act: F) -> Self
    where
        F: Fn(Cx) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self::new((Method::POST, path), caller::WRITE, says, act).keyed()
    }

    /// It takes another scope than others of its method.
    pub(crate) fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// It takes a body.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.says.takes = Some(|generator| generator.subschema_for::<T>());
        self.body_max = BODY_MAX;
        self
    }

    /// It takes a body, or none.
    pub(crate) fn may_take<T: JsonSchema>(mut self) -> Self {
        self = self.takes::<T>();
        self.says.takes_nothing_too = true;
        self
    }

    /// Its body may have this many bytes.
    pub(crate) fn body_max(mut self, bytes: usize) -> Self {
        self.body_max = bytes;
        self
    }

    /// A success with a body.
    pub(crate) fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        let content = Content::Json(|generator| generator.subschema_for::<T>());
        self.says.gives.push(Gives { status, content });
        self
    }

    /// A success that is no JSON.
    pub(crate) fn gives_text(mut self, content_type: &'static str) -> Self {
        self.says.gives.push(Gives { status: 200, content: Content::Text(content_type) });
        self
    }

    /// The codes of its refusals.
    pub(crate) fn refuses(mut self, codes: &[&'static str]) -> Self {
        self.says.codes.extend_from_slice(codes);
        self
    }

    /// It takes a parameter.
    pub(crate) fn asks<T: JsonSchema>(mut self, name: &'static str, says: &'static str) -> Self {
        let schema: SchemaOf = |generator| generator.subschema_for::<T>();
        self.says.query.push(Param { name, says, schema });
        self
    }

    /// It gives a page of a list.
    pub(crate) fn pages(self) -> Self {
        self.asks::<Limit>("limit", "The most rows; 100 where it is absent.")
            .asks::<CursorText>("cursor", "The `next` of the page before.")
            .refuses(&["bad_cursor"])
    }

    /// It takes an idempotency key.
    pub(crate) fn keyed(mut self) -> Self {
        self.says.is_keyed = true;
        self
    }

    /// It takes no idempotency key.
    pub(crate) fn not_keyed(mut self) -> Self {
        self.says.is_keyed = false;
        self
    }

    /// It takes `If-Match`.
    pub(crate) fn versioned(mut self) -> Self {
        self.says.has_versions = true;
        self
    }

    /// It takes `If-None-Match: *`.
    pub(crate) fn may_only_create(mut self) -> Self {
        self.says.may_only_create = true;
        self
    }
}

/// How many rows.
pub(crate) struct Limit;

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 })
    }
}

/// A cursor.
struct CursorText;

impl JsonSchema for CursorText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{16,}$" })
    }
}

/// Routes of one group.
pub(crate) fn group(name: &'static str, routes: impl IntoIterator<Item = Route>) -> Vec<Route> {
    let mut routes: Vec<Route> = routes.into_iter().collect();
    for route in &mut routes {
        route.says.group = name;
    }
    routes
}
