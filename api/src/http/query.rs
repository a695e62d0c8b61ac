//! What a request's query says.

use portolan_core::target::{PortSpec, TargetSpec};
use portolan_core::{PortState, Transport};
use portolan_store::{Cursor, Filter, PageRequest, SiteName};

use crate::problem::Problem;

/// Most rows of one answer; where there are more, a `Link` leads on.
pub(super) const ROWS_MAX: usize = 100_000;

/// The parameters of a query, each of them known to the route.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a raw query.
    ///
    /// # Errors
    /// 400 for a parameter that is not in `known`, or is there twice.
    pub(super) fn parse(raw: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("unknown query parameter {name:?}; there are: {known}");
                return Err(Problem::bad_request(detail));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                let detail = format!("the query parameter {name:?} is there twice");
                return Err(Problem::bad_request(detail));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether nothing was asked for.
    pub(super) const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The rows that are wanted.
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        let addrs = self.read("address", |text| {
            let spec: TargetSpec = text.parse().map_err(|e| format!("{e}"))?;
            match spec.names().first() {
                Some(name) => Err(format!("{name:?} is a name; expected an address or a block")),
                None => Ok(spec.addrs().clone()),
            }
        })?;
        let ports = self.read("port", |text| {
            let spec = PortSpec::parse(text, &|_| Vec::new()).map_err(|e| e.to_string())?;
            if [&spec.tcp, &spec.udp, &spec.sctp].iter().all(|side| side.is_empty()) {
                Ok(spec.any)
            } else {
                Err("use the parameter protocol rather than T:, U: and S:".to_owned())
            }
        })?;
        let transport =
            self.read("protocol", |text| text.parse::<Transport>().map_err(|e| e.to_string()))?;
        let states = self.read("state", |text| {
            let states = text.split(',').map(str::parse::<PortState>);
            states.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())
        })?;
        Ok(Filter {
            site: self.site()?,
            addrs,
            ports,
            transport,
            states: states.unwrap_or_default(),
        })
    }

    /// The site that is asked for.
    pub(super) fn site(&self) -> Result<Option<SiteName>, Problem> {
        self.read("site", |text| text.parse::<SiteName>().map_err(|e| e.to_string()))
    }

    /// A switch: `true` or `false`; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let flag = self.read(name, |text| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        })?;
        Ok(flag.unwrap_or(false))
    }

    /// The page that is wanted.
    pub(super) fn page(&self) -> Result<PageRequest, Problem> {
        let limit = self.read("limit", |text| {
            let limit = text.parse().ok().filter(|n| (1..=ROWS_MAX).contains(n));
            limit.ok_or_else(|| format!("expected 1 to {ROWS_MAX}"))
        })?;
        let cursor =
            self.read("cursor", |text| text.parse::<Cursor>().map_err(|e| e.to_string()))?;
        Ok(PageRequest { limit: limit.unwrap_or(ROWS_MAX), cursor })
    }

    /// The same query with another cursor, as a `Link` to the next page (RFC 8288).
    pub(super) fn next_link(&self, path: &str, next: &Cursor) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", &next.to_string());
        format!("<{path}?{}>; rel=\"next\"", query.finish())
    }

    fn read<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let problem = |e| Problem::bad_request(format!("query parameter {name}={text:?}: {e}"));
        parse(text).map(Some).map_err(problem)
    }
}

/// Reads `raw` as the query of a request for rows; whether it is one.
///
/// # Panics
/// Where the link to a next page does not ask for the same rows.
pub fn check_query(raw: &str) -> bool {
    const KNOWN: &[&str] = &["address", "port", "protocol", "state", "site", "limit", "cursor"];
    let Ok(query) = Query::parse(raw, KNOWN) else { return false };
    let (Ok(filter), Ok(page)) = (query.filter(), query.page()) else { return false };
    let Some(cursor) = page.cursor else { return true };
    let link = query.next_link("/", &cursor);
    let next = link.strip_prefix("</?").and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let next = next.and_then(|raw| Query::parse(raw, KNOWN).ok());
    let same = next.is_some_and(|next| next.filter().is_ok_and(|again| again == filter));
    assert!(same, "{link} asks for other rows");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["address", "port", "protocol", "state", "site", "limit", "cursor"];

    fn query(raw: &str) -> Query {
        Query::parse(raw, KNOWN).unwrap()
    }

    #[test]
    fn filters_are_read() {
        let filter = query(
            "address=10.0.0.0%2F24&port=1-1024,8080&protocol=udp&state=open%7Cfiltered,open&site=x",
        )
        .filter()
        .unwrap();
        assert_eq!(filter.addrs.unwrap().to_string(), "10.0.0.0/24");
        assert_eq!(filter.ports.unwrap().to_string(), "1-1024,8080");
        assert_eq!(filter.transport, Some(Transport::Udp));
        assert_eq!(filter.states, [PortState::OpenFiltered, PortState::Open]);
        assert_eq!(query("").filter().unwrap(), Filter::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(Query::parse("adress=1", KNOWN).is_err());
        assert!(Query::parse("port=1&port=2", KNOWN).is_err());
        for bad in [
            "address=x.example",
            "address=10.0.0.300",
            "port=0",
            "port=T:22",
            "protocol=tpc",
            "state=ajar",
            "site=A%20B",
        ] {
            assert!(query(bad).filter().is_err(), "{bad}");
        }
        for bad in ["limit=0", "limit=100001", "limit=x", "cursor=%21"] {
            assert!(query(bad).page().is_err(), "{bad}");
        }
    }
}
