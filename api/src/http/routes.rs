//! Which paths and methods there are: one table, that routing, metrics and documentation share.

use warp::http::Method;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Hello,
    Health,
    OpenApi,
    Metrics,
    Info,
    DiffExpected,
    DiffScan,
    DiffScans,
    Current,
    Hosts,
    Transitions,
    Expected,
    PatchExpected,
    DeleteExpected,
    Scans,
    Scan,
    Prune,
    PostScan,
    Run,
    Schedule,
}

/// What body an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    None,
    Small,
    Report,
}

/// One method of one route.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) op: Op,
    /// The parameters that its query may have.
    pub(crate) query: &'static [&'static str],
    pub(crate) body: BodyKind,
}

impl Operation {
    const fn get(op: Op, query: &'static [&'static str]) -> Self {
        Self { method: Method::GET, op, query, body: BodyKind::None }
    }

    const fn write(method: Method, op: Op, query: &'static [&'static str], body: BodyKind) -> Self {
        Self { method, op, query, body }
    }

    /// Whether it changes anything.
    pub(crate) fn writes(&self) -> bool {
        self.method != Method::GET
    }
}

/// A path and its methods. `{name}` stands for one segment.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) template: &'static str,
    pub(crate) operations: &'static [Operation],
}

/// The parameters of a list of endpoints.
const LIST: &[&str] = &["address", "port", "protocol", "state", "site", "limit", "cursor"];
/// The same and how states compare.
const DIFF: &[&str] =
    &["address", "port", "protocol", "state", "site", "strict", "limit", "cursor"];
/// The same and whether services are compared too.
const DIFF_SCANS: &[&str] =
    &["address", "port", "protocol", "state", "site", "strict", "services", "limit", "cursor"];
const DIFF_SCAN: &[&str] = &[
    "address", "port", "protocol", "state", "site", "strict", "services", "limit", "cursor",
    "against",
];
const HOSTS: &[&str] = &["address", "site", "limit", "cursor"];
const DELETE: &[&str] = &["address", "port", "protocol", "state", "site"];

/// Every route.
pub(crate) static ROUTES: &[Route] = &[
    Route { template: "/health", operations: &[Operation::get(Op::Health, &[])] },
    Route { template: "/metrics", operations: &[Operation::get(Op::Metrics, &[])] },
    Route { template: "/openapi.json", operations: &[Operation::get(Op::OpenApi, &[])] },
    Route { template: "/v1/hello", operations: &[Operation::get(Op::Hello, &[])] },
    Route { template: "/v1/info", operations: &[Operation::get(Op::Info, &[])] },
    Route { template: "/v1/diff", operations: &[Operation::get(Op::DiffExpected, DIFF)] },
    Route { template: "/v1/diff/{id1}", operations: &[Operation::get(Op::DiffScan, DIFF_SCAN)] },
    Route {
        template: "/v1/diff/{id1}/{id2}",
        operations: &[Operation::get(Op::DiffScans, DIFF_SCANS)],
    },
    Route { template: "/v1/current", operations: &[Operation::get(Op::Current, LIST)] },
    Route { template: "/v1/hosts", operations: &[Operation::get(Op::Hosts, HOSTS)] },
    Route { template: "/v1/transitions", operations: &[Operation::get(Op::Transitions, LIST)] },
    Route {
        template: "/v1/expected",
        operations: &[
            Operation::get(Op::Expected, LIST),
            Operation::write(Method::PATCH, Op::PatchExpected, &[], BodyKind::Small),
            Operation::write(Method::DELETE, Op::DeleteExpected, DELETE, BodyKind::Small),
        ],
    },
    Route {
        template: "/v1/scans",
        operations: &[
            Operation::get(Op::Scans, &["limit", "cursor"]),
            Operation::write(Method::DELETE, Op::Prune, &[], BodyKind::None),
        ],
    },
    Route {
        template: "/v1/scans/{keep}",
        operations: &[Operation::write(Method::DELETE, Op::Prune, &[], BodyKind::None)],
    },
    Route {
        template: "/v1/scan",
        operations: &[Operation::write(Method::POST, Op::PostScan, &["site"], BodyKind::Report)],
    },
    Route { template: "/v1/scan/{id}", operations: &[Operation::get(Op::Scan, LIST)] },
    Route { template: "/v1/schedule", operations: &[Operation::get(Op::Schedule, &[])] },
    Route {
        template: "/v1/run",
        operations: &[Operation::write(Method::POST, Op::Run, &[], BodyKind::None)],
    },
    Route {
        template: "/v1/run/{name}",
        operations: &[Operation::write(Method::POST, Op::Run, &[], BodyKind::None)],
    },
];

/// What a path and method lead to.
pub(crate) enum Lookup {
    Found { template: &'static str, operation: &'static Operation, params: Vec<String> },
    Options { template: &'static str, allow: String },
    OtherMethods { template: &'static str, allow: String },
    EmptyParam { template: &'static str, name: &'static str },
    Unknown,
}

impl Lookup {
    /// The route's template, or `unknown`.
    pub(crate) const fn template(&self) -> &'static str {
        match self {
            Self::Found { template, .. }
            | Self::Options { template, .. }
            | Self::OtherMethods { template, .. }
            | Self::EmptyParam { template, .. } => template,
            Self::Unknown => "unknown",
        }
    }
}

/// Finds who answers. HEAD is answered by GET (its body is left out when it is sent).
pub(crate) fn find(method: &Method, path: &str) -> Lookup {
    for route in ROUTES {
        let Some(params) = match_path(route.template, path) else {
            continue;
        };
        let template = route.template;
        if let Some((name, _)) = params.iter().find(|(_, value)| value.is_empty()) {
            return Lookup::EmptyParam { template, name };
        }
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        if let Some(operation) = route.operations.iter().find(|o| o.method == *wanted) {
            let params = params.into_iter().map(|(_, value)| value.to_owned()).collect();
            return Lookup::Found { template, operation, params };
        }
        let allow = allow(route);
        return if *method == Method::OPTIONS {
            Lookup::Options { template, allow }
        } else {
            Lookup::OtherMethods { template, allow }
        };
    }
    Lookup::Unknown
}

fn allow(route: &Route) -> String {
    let mut allow = String::new();
    for operation in route.operations {
        allow.push_str(operation.method.as_str());
        allow.push_str(if operation.method == Method::GET { ", HEAD, " } else { ", " });
    }
    allow.push_str("OPTIONS");
    allow
}

/// The parameters of `template` in `path`, where it fits.
fn match_path<'a>(template: &'static str, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    let mut params = Vec::new();
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|e| e.strip_suffix('}')) {
            Some(name) => params.push((name, segment)),
            None if expected == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_should() {
        let template = |path: &str| find(&Method::GET, path).template();
        assert_eq!(template("/v1/diff"), "/v1/diff");
        assert_eq!(template("/v1/diff/1"), "/v1/diff/{id1}");
        assert_eq!(template("/v1/diff/1/2"), "/v1/diff/{id1}/{id2}");
        assert_eq!(template("/v1/diff/1/2/3"), "unknown");
        assert_eq!(template("/v2/diff"), "unknown");
        assert_eq!(template(""), "unknown");
        let empty = find(&Method::GET, "/v1/diff/");
        assert!(matches!(empty, Lookup::EmptyParam { name: "id1", .. }));
    }

    #[test]
    fn what_is_allowed_is_said() {
        let Lookup::OtherMethods { allow, .. } = find(&Method::PUT, "/v1/expected") else {
            panic!("PUT is none of its methods")
        };
        assert_eq!(allow, "GET, HEAD, PATCH, DELETE, OPTIONS");
    }
}
