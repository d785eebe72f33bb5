//! PostgreSQL: a statement with the client's texts as its parameters.

use super::pool::Table;
use super::row::{Row, is_yes};
use super::usable;
use crate::access::template::{Field, Part, Template};
use crate::authenticate::ConnectRequest;
use crate::config::PostgreSql;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row as _, SqlStr, TypeInfo, ValueRef};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// Where a PostgreSQL server listens.
const PORT: u16 = 5432;

/// Types whose values are texts.
const TEXTS: [&str; 6] = ["TEXT", "VARCHAR", "CHAR", "\"CHAR\"", "NAME", "citext"];

/// A statement, and what its parameters are.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Query {
    sql: String,
    parameters: Vec<Field>,
}

/// One database.
pub(super) struct PostgreSqlTable {
    options: PgConnectOptions,
    sql: String,
    timeout: Duration,
}

impl Query {
    /// Reads a statement with placeholders, each of which becomes a parameter of its own.
    ///
    /// # Errors
    /// A placeholder that is not known, or stands where it would be nothing but text; other parameters.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let template: Template = usable(text)?;
        let (mut sql, mut parameters) = (String::with_capacity(text.len()), Vec::new());
        let mut place = Place::Outside;
        for part in template.parts() {
            match part {
                Part::Text(text) => {
                    if text.contains('$') {
                        return Err("`$` is for placeholders only".to_owned());
                    }
                    place = place.behind(text);
                    sql.push_str(text);
                }
                Part::Field(field) if place == Place::Outside => {
                    parameters.push(*field);
                    // Writing to a `String` cannot fail.
                    let _ = write!(sql, "${}", parameters.len());
                }
                Part::Field(_) => {
                    return Err("a placeholder stands within quotes or a remark: it is a parameter, and needs no quotes".to_owned());
                }
            }
        }
        match parameters.is_empty() {
            true => Err("it has no placeholder, so it has the same row for everybody".to_owned()),
            false => Ok(Self { sql, parameters }),
        }
    }

    /// With the parameters by their numbers.
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.parameters.contains(&field)
    }

    /// What this client has for the parameters; none when it does not have all.
    pub(super) fn values(&self, request: &ConnectRequest<'_>) -> Option<Vec<Zeroizing<String>>> {
        let values = self.parameters.iter().map(|field| field.given(request));
        values.collect()
    }
}

/// Where in a statement something stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Outside,
    /// Between quotes: a text, or a name.
    Quotes(char),
    /// Behind `--`.
    Line,
    /// Between `/*` and `*/`, which may be within each other so often.
    Remark(u32),
}

impl Place {
    /// Where what stands behind this text is.
    fn behind(self, text: &str) -> Self {
        let mut place = self;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let next = rest.peek().copied();
            place = match (place, c, next) {
                (Self::Outside, '\'' | '"', _) => Self::Quotes(c),
                (Self::Outside, '-', Some('-')) => Self::Line,
                (Self::Outside, '/', Some('*')) => {
                    rest.next();
                    Self::Remark(1)
                }
                // Two of them are one in the text, and lead out of it and in again.
                (Self::Quotes(quote), c, _) if quote == c => Self::Outside,
                (Self::Line, '\n', _) => Self::Outside,
                (Self::Remark(depth), '/', Some('*')) => {
                    rest.next();
                    Self::Remark(depth.saturating_add(1))
                }
                (Self::Remark(depth), '*', Some('/')) => {
                    rest.next();
                    match depth {
                        0 | 1 => Self::Outside,
                        depth => Self::Remark(depth - 1),
                    }
                }
                (place, ..) => place,
            };
        }
        place
    }
}

impl PostgreSqlTable {
    /// This one, asked by this statement.
    ///
    /// # Errors
    /// A key is missing.
    pub(super) fn new(
        settings: &PostgreSql,
        sql: &str,
        authorities: Option<Vec<u8>>,
    ) -> Result<Self, String> {
        let server = &settings.server;
        let address = server.server.as_ref().ok_or("it has no `server`")?;
        let database = settings.database.as_deref();
        let username = server.username.as_deref();
        let password = server.password.as_ref().map(|password| password.expose());
        // Whatever the environment says, which is for other programs.
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&address.host)
            .port(address.port.unwrap_or(PORT))
            .database(database.ok_or("it has no `database`")?)
            .username(username.ok_or("it has no `username`")?)
            .password(password.unwrap_or_default())
            .application_name("mqtt")
            .extra_float_digits(None)
            .ssl_mode(match server.tls {
                true => PgSslMode::VerifyFull,
                false => PgSslMode::Disable,
            })
            .disable_statement_logging();
        if let Some(pem) = authorities {
            options = options.ssl_root_cert_from_pem(pem);
        }
        Ok(Self {
            options,
            sql: sql.to_owned(),
            timeout: server.request_timeout.get(),
        })
    }

    fn is_tls(&self) -> bool {
        matches!(self.options.get_ssl_mode(), PgSslMode::VerifyFull)
    }
}

impl Table for PostgreSqlTable {
    type Connection = PgConnection;

    async fn connect(&self) -> Result<PgConnection, String> {
        let connected = match self.is_tls() {
            false => self.options.connect().await,
            true => {
                // The library reads the system's authorities each time, from files: not on a thread of connections.
                let (options, timeout) = (self.options.clone(), self.timeout);
                let runtime = Handle::current();
                let connect = async move { tokio::time::timeout(timeout, options.connect()).await };
                let connected = tokio::task::spawn_blocking(move || runtime.block_on(connect));
                let connected = connected.await.map_err(|error| error.to_string())?;
                connected.map_err(|_| "no connection in time".to_owned())?
            }
        };
        let mut connection = connected.map_err(|error| cause(&error))?;
        // What nobody waits for any more need not be done.
        let limit = format!(
            "SET statement_timeout = {}",
            self.timeout.as_millis().max(1)
        );
        let set = connection.execute(AssertSqlSafe(limit)).await;
        set.map_err(|error| cause(&error))?;
        Ok(connection)
    }

    async fn find(
        &self,
        connection: &mut PgConnection,
        values: &[Zeroizing<String>],
    ) -> Result<Option<Row>, String> {
        let sql: SqlStr = sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(self.sql.clone()));
        let mut query = sqlx::query(sql);
        for value in values {
            query = query.bind(value.as_str());
        }
        let row = query.fetch_optional(connection).await;
        let row = row.map_err(|error| cause(&error))?;
        row.as_ref().map_or(Ok(None), read)
    }
}

/// What is in a row; none where it has no password.
fn read(row: &PgRow) -> Result<Option<Row>, String> {
    if row.try_get_raw("password_hash").is_err() {
        return Err("the query gives no column `password_hash`".to_owned());
    }
    let Some(hash) = text(row, "password_hash")? else {
        return Ok(None);
    };
    Ok(Some(Row {
        hash,
        salt: text(row, "salt")?.unwrap_or_default(),
        is_superuser: yes(row, "is_superuser")?,
    }))
}

/// A text of the row; none where it is null or there is no such column.
fn text(row: &PgRow, column: &str) -> Result<Option<Zeroizing<String>>, String> {
    let value = row.try_get_raw(column).ok();
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let type_info = value.type_info();
    if !TEXTS.contains(&type_info.name()) {
        return Err(format!("`{column}` is no text but {type_info}"));
    }
    let text = row.try_get_unchecked::<String, _>(column);
    let text = text.map_err(|_| format!("`{column}` is no text"))?;
    Ok(Some(Zeroizing::new(text)))
}

/// Whether a column of the row says yes: true, 1, or a text that says so.
fn yes(row: &PgRow, column: &str) -> Result<bool, String> {
    let value = row.try_get_raw(column).ok();
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(false);
    };
    let wrong = |error: sqlx::Error| format!("`{column}`: {error}");
    match value.type_info().name() {
        "BOOL" => row.try_get::<bool, _>(column).map_err(wrong),
        "INT2" => row.try_get::<i16, _>(column).map(|n| n == 1).map_err(wrong),
        "INT4" => row.try_get::<i32, _>(column).map(|n| n == 1).map_err(wrong),
        "INT8" => row.try_get::<i64, _>(column).map(|n| n == 1).map_err(wrong),
        _ => Ok(text(row, column)?.is_some_and(|text| is_yes(text.trim()))),
    }
}

/// What went wrong, without the statement.
fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_parameters_wherever_they_may_stand() {
        for (text, sql, parameters) in [
            (
                "SELECT password_hash FROM users WHERE name = ${username} AND id = ${clientid}",
                "SELECT password_hash FROM users WHERE name = $1 AND id = $2",
                vec![Field::Username, Field::ClientId],
            ),
            (
                "SELECT 'it''s' AS salt, h \"a'b\" FROM t WHERE n=${username} OR n=${username}",
                "SELECT 'it''s' AS salt, h \"a'b\" FROM t WHERE n=$1 OR n=$2",
                vec![Field::Username, Field::Username],
            ),
            (
                "-- it's\n/* ' /* \" */ */ SELECT ${peerhost}::inet - 1, ${cert_common_name} / 2",
                "-- it's\n/* ' /* \" */ */ SELECT $1::inet - 1, $2 / 2",
                vec![Field::PeerHost, Field::CertCommonName],
            ),
        ] {
            let query = Query::parse(text).unwrap();
            assert_eq!((&*query.sql, &query.parameters), (sql, &parameters));
        }
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        for (text, says) in [
            ("SELECT '${username}'", "within quotes"),
            ("SELECT \"${username}\"", "within quotes"),
            ("SELECT 'a''${username}", "within quotes"),
            ("SELECT 1 -- ${username}", "within quotes"),
            ("SELECT 1 /* /* */ ${username} */", "within quotes"),
            ("SELECT $1 WHERE ${username}", "for placeholders only"),
            ("SELECT $$a$$ WHERE ${username}", "for placeholders only"),
            ("SELECT 1", "no placeholder"),
            ("", "no placeholder"),
            ("SELECT ${password}", "leave ${password} out"),
            ("SELECT ${user}", "${user} is none of"),
            ("SELECT ${username", "no closing brace"),
        ] {
            let error = Query::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
