//! What else to ask of HTTP servers whose root page has not told their product.

use HttpWhen::{Body, Head, Port, Server, Status};

/// Paths that are asked of one server, at most.
pub const HTTP_PATHS_MAX: usize = 4;

/// A further page of an HTTP server, and when it is worth asking for.
#[derive(Debug)]
pub struct HttpPath {
    /// The path, for `GET`.
    pub path: &'static str,
    /// The documentation that says what is there.
    pub source: &'static str,
    /// Worth it if one of these holds.
    pub when: &'static [HttpWhen],
}

/// Something in the first response, or of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpWhen {
    /// The port is this one.
    Port(u16),
    /// The status is this one.
    Status(u16),
    /// `Server` begins so, in whatever case; the empty text: there is no `Server`.
    Server(&'static str),
    /// The head has this, in whatever case.
    Head(&'static str),
    /// The body has this.
    Body(&'static str),
}

/// The response to `GET /`.
#[derive(Debug, Clone, Copy)]
pub struct HttpSeen<'a> {
    /// The port; inside TLS, its own and not that of the plain twin.
    pub port: u16,
    /// The status.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// The body, as far as it was read.
    pub body: &'a [u8],
}

impl HttpWhen {
    /// Whether it holds for `seen`.
    pub fn holds(self, seen: &HttpSeen<'_>) -> bool {
        match self {
            Self::Port(port) => port == seen.port,
            Self::Status(status) => status == seen.status,
            Self::Server("") => server(seen.head).is_none(),
            Self::Server(prefix) => server(seen.head)
                .and_then(|value| value.get(..prefix.len()))
                .is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes())),
            Self::Head(text) => contains_ignoring_case(seen.head, text.as_bytes()),
            Self::Body(text) => contains(seen.body, text.as_bytes()),
        }
    }
}

/// What is worth asking next of the server that answered `seen`, the most telling first: at most
/// [`HTTP_PATHS_MAX`].
pub fn http_paths<'a>(seen: &'a HttpSeen<'a>) -> impl Iterator<Item = &'static HttpPath> + 'a {
    HTTP_PATHS
        .iter()
        .filter(|row| row.when.iter().any(|when| when.holds(seen)))
        .take(HTTP_PATHS_MAX)
}

/// The value of `Server`.
fn server(head: &[u8]) -> Option<&[u8]> {
    head.split(|octet| *octet == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(b"server:".len())?;
        name.eq_ignore_ascii_case(b"server:").then(|| value.trim_ascii())
    })
}

fn contains(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len().max(1)).any(|window| window == needle)
}

fn contains_ignoring_case(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len().max(1)).any(|window| window.eq_ignore_ascii_case(needle))
}

/// The most telling first.
static HTTP_PATHS: &[HttpPath] = &[
    row(
        "/version",
        "Docker Engine API, /version; Kubernetes API concepts; etcd documentation",
        &[
            Port(2375),
            Port(2376),
            Port(2379),
            Port(4001),
            Port(6443),
            Port(10_250),
            Port(8001),
            Head("\nApi-Version:"),
            Head("\nServer: Docker/"),
            Body("\"kind\":\"Status\""),
            Body("\"message\":\"page not found\""),
            Body("\"kind\": \"Status\""),
        ],
    ),
    row(
        "/api/v1/status/buildinfo",
        "Prometheus documentation, HTTP API, Build Information",
        &[
            Port(9090),
            Port(8428),
            Port(3100),
            Port(3200),
            Port(9009),
            Port(9095),
            Port(10_902),
            Body("Prometheus"),
            Body("Thanos"),
            Body("Mimir"),
            Head("\nLocation: /graph"),
            Head("\nLocation: /query"),
            Body("VictoriaMetrics"),
        ],
    ),
    row("/api/v2/status", "Alertmanager API v2, openapi.yaml", &[Port(9093), Body("Alertmanager")]),
    row(
        "/api/health",
        "Grafana documentation, HTTP API, Health",
        &[Body("Grafana"), Head("\nLocation: /login"), Head("grafana_session")],
    ),
    row(
        "/v1/agent/self",
        "Consul and Nomad API documentation, Agent",
        &[
            Port(8500),
            Port(8501),
            Port(4646),
            Head("\nLocation: /ui/"),
            Body("Consul Agent"),
            Body("<a href=\"/ui/\">"),
        ],
    ),
    row(
        "/v1/sys/health",
        "Vault API documentation, /sys/health",
        &[Port(8200), Port(8210), Head("\nLocation: /ui/"), Body("<a href=\"/ui/\">")],
    ),
    row(
        "/api/overview",
        "RabbitMQ, HTTP API reference",
        &[Port(15_672), Port(15_671), Body("RabbitMQ Management")],
    ),
    row(
        "/minio/health/live",
        "MinIO documentation, Healthcheck API",
        &[Server("MinIO"), Head("\nX-Minio-")],
    ),
    row("/_up", "CouchDB documentation, /_up", &[Server("CouchDB"), Port(5984)]),
    row(
        "/api/status",
        "Kibana documentation, Status API; Metabase; Home Assistant",
        &[
            Port(5601),
            Head("\nkbn-name:"),
            Head("\nLocation: /spaces/enter"),
            Head("\nLocation: /app/kibana"),
        ],
    ),
    row(
        "/api/server/version",
        "SonarQube Web API, server/version",
        &[Port(9000), Body("SonarQube")],
    ),
    row(
        "/api/v1/version",
        "Gitea and Forgejo API, miscellaneous, version",
        &[Body("Gitea"), Body("Forgejo"), Head("i_like_gitea"), Head("i_like_forgejo")],
    ),
    row(
        "/info",
        "Spring Boot Actuator; Docker registries; etcd; RSocket",
        &[Port(8222), Port(8081)],
    ),
    row(
        "/varz",
        "NATS documentation, Monitoring, General Information",
        &[Port(8222), Body("NATS")],
    ),
    row(
        "/stats?format=json",
        "NSQ documentation, nsqd, HTTP API",
        &[Port(4151), Port(4161), Port(4171)],
    ),
    row("/ping", "InfluxDB documentation, /ping; NSQ, /ping", &[Port(8086), Head("\nX-Influxdb-")]),
    row(
        "/solr/admin/info/system",
        "Apache Solr reference guide",
        &[Port(8983), Head("\nLocation: /solr/"), Head("/solr/\r\n")],
    ),
    row("/v1/status", "CockroachDB; Weaviate meta; Rspamd", &[Port(8080), Port(26_258)]),
    row("/v1/meta", "Weaviate documentation, REST, meta", &[Body("/v1/meta")]),
    row("/rest/version", "Traefik; Syncthing", &[Port(8384), Body("Syncthing")]),
    row(
        "/api/version",
        "Traefik documentation, API; Ollama API",
        &[Port(11_434), Body("Ollama is running"), Body("Traefik"), Port(8080)],
    ),
    row(
        "/manager/html",
        "Apache Tomcat documentation, Manager",
        &[Server("Apache-Coyote"), Body("Apache Tomcat")],
    ),
    row(
        "/portolan-unknown",
        "RFC 9110 §15.5.5: the error page often names the server",
        &[Server(""), Status(301), Status(302), Status(401), Status(403)],
    ),
    row(
        "/metrics",
        "Prometheus documentation, Exposition formats; `*_build_info`",
        &[
            Body("href=\"/metrics\""),
            Body("href=\"metrics\""),
            Body("href='/metrics'"),
            Port(9115),
            Port(9187),
            Port(9121),
            Port(9104),
        ],
    ),
    row(
        "/login",
        "Grafana, Jenkins, GitLab: the page that the root leads to",
        &[Head("\nLocation: /login"), Head("\nX-Jenkins:"), Status(403)],
    ),
    row("/favicon.ico", "HTML standard §4.6.7.8, rel=icon", &[Server("")]),
];

const fn row(path: &'static str, source: &'static str, when: &'static [HttpWhen]) -> HttpPath {
    HttpPath { path, source, when }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(port: u16, status: u16, head: &'a str, body: &'a str) -> HttpSeen<'a> {
        HttpSeen { port, status, head: head.as_bytes(), body: body.as_bytes() }
    }

    fn paths(seen: &HttpSeen<'_>) -> Vec<&'static str> {
        http_paths(seen).map(|row| row.path).collect()
    }

    #[test]
    fn paths_are_paths_and_said_once() {
        let mut all: Vec<_> = HTTP_PATHS.iter().map(|row| row.path).collect();
        assert!(all.iter().all(|path| path.starts_with('/') && path.is_ascii()));
        assert!(HTTP_PATHS.iter().all(|row| !row.when.is_empty()));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), HTTP_PATHS.len());
    }

    #[test]
    fn what_is_asked_depends_on_what_was_seen() {
        let nginx = "HTTP/1.1 200 OK\r\nserver: nginx\r\n\r\n";
        assert_eq!(paths(&seen(80, 200, nginx, "<html>")), [] as [&str; 0]);
        assert_eq!(paths(&seen(2375, 404, nginx, ""))[0], "/version");
        let docker = "HTTP/1.1 404 Not Found\r\nApi-Version: 1.41\r\nServer: Docker/20.10\r\n";
        assert_eq!(paths(&seen(7777, 404, docker, ""))[0], "/version");
        let bare = "HTTP/1.1 403 Forbidden\r\n\r\n";
        let asked = paths(&seen(7777, 403, bare, ""));
        assert_eq!(asked, ["/portolan-unknown", "/login", "/favicon.ico"]);
        let grafana = "HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n";
        assert_eq!(paths(&seen(3000, 302, grafana, "")).len(), HTTP_PATHS_MAX);
    }

    #[test]
    fn servers_are_compared_without_case() {
        let response = seen(1, 200, "HTTP/1.1 200 OK\r\nSERVER:  MinIO\r\n", "");
        assert!(Server("minio").holds(&response) && !Server("").holds(&response));
        assert!(!Server("MinIO Console").holds(&response));
        assert!(Server("").holds(&seen(1, 200, "HTTP/1.0 200 OK\r\n\r\n", "")));
    }
}
