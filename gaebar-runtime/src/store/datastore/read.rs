//! Reading: a snapshot, what it lists, and its pages.

use std::fmt::Display;

use bytes::Bytes;
use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use pb::key::path_element::IdType;
use pb::query_result_batch::MoreResultsType;
use pb::read_options::ConsistencyType;

use super::connect::Client;
use super::query;
use crate::model::{Entity, Id, Key, Timestamp, order_key};
use crate::store::{self, Cursor, Page, ReadTime, Scan, Snapshot, StoreError, View};

/// Any kind: it is asked for to learn the server's time.
const NO_KIND: &str = "Gaebar";
/// Keys taken at a time.
const KEYS: usize = 1000;
/// Scattered keys asked for by part; more make the parts more even. Google's own query splitters use the same.
const KEYS_BY_PART: usize = 32;
/// A part has at least so many scattered keys, about 2,000 entities: one of 128 has such a key. A query costs the Datastore emulator as
/// much as 200 entities, and each part takes three that give few or none.
const FEWEST_BY_PART: usize = 16;

/// A view of a database.
///
/// How to tell which servers read as of a time: they answer each query with the time they read at.
///
/// | | answers a query with | of a read time asked for |
/// |---|---|---|
/// | Firestore in Datastore mode, its emulator | the time of the read, to the microsecond | exactly that time, or refuses it |
/// | Datastore emulator 2.3.1 | no time at all | no time at all, and reads as of now |
///
/// Both emulators refuse a read time with nanoseconds.
pub(super) struct DatastoreSnapshot<'a> {
    client: &'a Client,
    time: Timestamp,
    /// Whether the server reads as of that time.
    consistent: bool,
}

impl<'a> DatastoreSnapshot<'a> {
    /// A view of a time, or of now.
    pub(super) fn take(client: &'a Client, view: View) -> Result<Self, StoreError> {
        let latest = Self { client, time: store::now(), consistent: false };
        match (latest.server_time()?, view) {
            (None, View::Then(_)) => Err(StoreError::NoPast { store: client.place.to_string() }),
            (None, _) | (_, View::Latest) => Ok(latest),
            (Some(time), View::Now) => Ok(Self { client, time, consistent: true }),
            (Some(_), View::Then(time)) => {
                let then = Self { client, time: time.to_micros(), consistent: true };
                then.server_time()?;
                Ok(then)
            }
        }
    }

    /// Whether this is the Datastore emulator, by what it says of the time (see the table above).
    pub(super) fn is_datastore_emulator(client: &'a Client) -> Result<bool, StoreError> {
        let latest = Self { client, time: store::now(), consistent: false };
        Ok(client.is_emulator() && latest.server_time()?.is_none())
    }

    /// The time that the server reads at.
    fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let action = "learn the server's time";
        let query = pb::Query { limit: Some(1), ..query::keys(NO_KIND) };
        let Some(time) = self.run("", query, action)?.read_time else { return Ok(None) };
        let time = Timestamp::try_from(time).map_err(|error| self.nonsense(action, error.to_string()))?;
        Ok(Some(time.to_micros()))
    }

    /// One batch of a query's results.
    fn run(&self, namespace: &str, query: pb::Query, action: impl Display) -> Result<pb::QueryResultBatch, StoreError> {
        let home = &self.client.home;
        let request = pb::RunQueryRequest {
            project_id: home.project.clone(),
            database_id: home.database.clone(),
            partition_id: Some(pb::PartitionId {
                project_id: home.project.clone(),
                database_id: home.database.clone(),
                namespace_id: namespace.to_owned(),
            }),
            read_options: self
                .consistent
                .then(|| pb::ReadOptions { consistency_type: Some(ConsistencyType::ReadTime(self.time.into())) }),
            query_type: Some(pb::run_query_request::QueryType::Query(query)),
            ..pb::RunQueryRequest::default()
        };
        let answer = self
            .client
            .call(&action, &request, async |mut datastore, request| datastore.run_query(request).await)
            .map_err(|error| self.expired(error))?;
        let batch = answer.batch.ok_or_else(|| self.nonsense(&action, "a query has no results".to_owned()))?;
        match batch.read_time {
            Some(time) if self.consistent && time != self.time.into() => {
                Err(self.nonsense(&action, format!("asked for data of {}, it gave data of {time}", self.time)))
            }
            _ => Ok(batch),
        }
    }

    /// Says of a refusal that it is about the time, if it is. The Firestore emulator says `FAILED_PRECONDITION` of a
    /// time that is too old, and `INVALID_ARGUMENT` of one to come; no query here has other preconditions.
    fn expired(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Refused { store, code, message, .. }
                if self.consistent && (code == "FAILED_PRECONDITION" || message.contains("read_time")) =>
            {
                StoreError::ReadTime { store, time: self.time, message }
            }
            error => error,
        }
    }

    /// The keys that a query finds, `limit` of them at most.
    fn keys(&self, namespace: &str, query: &pb::Query, limit: usize, action: &str) -> Result<Vec<pb::Key>, StoreError> {
        let mut keys = Vec::new();
        let mut cursor = Bytes::new();
        while keys.len() < limit {
            let take = limit_of((limit - keys.len()).min(KEYS));
            let query = pb::Query { limit: Some(take), start_cursor: cursor.clone(), ..query.clone() };
            let batch = self.run(namespace, query, action)?;
            let next = self.next(&batch, take, &cursor, action)?;
            keys.extend(batch.entity_results.into_iter().filter_map(|result| result.entity?.key));
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        Ok(keys)
    }

    /// Where a query goes on after a batch. `limit` is the one it was run with, `from` the cursor it began at.
    ///
    /// The Datastore emulator answers 300 results at most, then `NOT_FINISHED`, and says of the last of them
    /// `MORE_RESULTS_AFTER_LIMIT`, with more to come or not. So a query ends with a batch that is finished and short; and, since one
    /// that ends early would look the same, only once a look past it finds nothing.
    fn next(&self, batch: &pb::QueryResultBatch, limit: i32, from: &Bytes, action: &str) -> Result<Option<Bytes>, StoreError> {
        let next = &batch.end_cursor;
        let is_finished = batch.more_results() != MoreResultsType::NotFinished && batch.entity_results.len() < size_of(limit);
        if is_finished && (batch.entity_results.is_empty() || next.is_empty() || next == from) {
            return Ok(None);
        }
        if next.is_empty() || next == from {
            return Err(self.nonsense(action, "there is more to come, and no cursor to go on at".to_owned()));
        }
        Ok(Some(next.clone()))
    }

    /// The names that a metadata query finds.
    fn names(&self, namespace: &str, kind: &str, action: &str) -> Result<Vec<String>, StoreError> {
        let keys = match self.keys(namespace, &query::keys(kind), usize::MAX, action) {
            Err(StoreError::Refused { store, action, code, message }) if self.client.is_emulator() => {
                // The Firestore emulator: "Kind queries are not supported in the Datastore Mode emulator."
                let message = format!("{message} Name kinds with --kinds, and namespaces with --namespaces");
                return Err(StoreError::Refused { store, action, code, message });
            }
            keys => keys?,
        };
        keys.into_iter()
            .filter_map(|mut key| key.path.pop()?.id_type)
            .map(|id| match id {
                IdType::Name(name) => Ok(name),
                // The default namespace.
                IdType::Id(1) => Ok(String::new()),
                IdType::Id(id) => Err(self.nonsense(action, format!("{id} is no name"))),
            })
            .filter(|name| !name.as_ref().is_ok_and(|name| is_reserved(name)))
            .collect()
    }

    fn entities(&self, results: Vec<pb::EntityResult>, scan: &Scan, action: &str) -> Result<Vec<Entity>, StoreError> {
        let mut entities: Vec<Entity> = Vec::with_capacity(results.len());
        for result in results {
            let message = result.entity.ok_or_else(|| self.nonsense(action, "a result has no entity".to_owned()))?;
            if self.is_stray(message.key.as_ref()) {
                continue;
            }
            let entity = self.client.home.entity_from_proto(message).map_err(|source| StoreError::Answer {
                store: self.client.place.to_string(),
                action: action.to_owned(),
                source: Box::new(source),
            })?;
            let key = entity.key();
            if key.namespace() != scan.namespace || key.kind() != scan.kind {
                return Err(self.nonsense(action, format!("{key} was not asked for")));
            }
            if let Some(last) = entities.last().map(Entity::key)
                && !ascends(last, key)
            {
                return Err(self.nonsense(action, format!("{key} comes after {last}")));
            }
            entities.push(entity);
        }
        Ok(entities)
    }

    /// Whether a result belongs to another database: the Datastore emulator's queries find those of all databases of
    /// the project, whichever is asked for. (It lists their kinds and namespaces too, which then hold nothing.)
    fn is_stray(&self, key: Option<&pb::Key>) -> bool {
        let partition = key.and_then(|key| key.partition_id.as_ref());
        self.client.is_emulator() && partition.is_some_and(|partition| partition.database_id != self.client.home.database)
    }

    fn nonsense(&self, action: impl Display, problem: String) -> StoreError {
        StoreError::Nonsense { store: self.client.place.to_string(), action: action.to_string(), problem }
    }
}

impl Snapshot for DatastoreSnapshot<'_> {
    fn read_time(&self) -> ReadTime {
        ReadTime { time: self.time, consistent: self.consistent }
    }

    fn namespaces(&self) -> Result<Vec<String>, StoreError> {
        self.names("", "__namespace__", "list the namespaces")
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        self.names(namespace, "__kind__", &format!("list the kinds of namespace '{namespace}'"))
    }

    /// The Firestore emulator finds no scattered keys; a server may refuse to look for them. Then nothing is split.
    fn split(&self, namespace: &str, kind: &str, parts: usize) -> Result<Vec<Key>, StoreError> {
        if parts < 2 {
            return Ok(Vec::new());
        }
        let action = format!("split {kind}");
        let limit = (parts - 1).saturating_mul(KEYS_BY_PART);
        let keys = match self.keys(namespace, &query::scattered_keys(kind), limit, &action) {
            Err(StoreError::Refused { .. }) => return Ok(Vec::new()),
            keys => keys?,
        };
        let mut keys = keys
            .into_iter()
            .filter(|key| !self.is_stray(Some(key)))
            .map(|key| self.client.home.key_from_proto(key))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.nonsense(&action, error.to_string()))?;
        let parts = parts.min(keys.len() / FEWEST_BY_PART);
        if parts < 2 {
            return Ok(Vec::new());
        }
        keys.sort_by_cached_key(order_key);
        Ok(query::bounds(keys, parts))
    }

    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let action = format!("read {} of namespace '{}'", scan.kind, scan.namespace);
        let from = cursor.map(|cursor| Bytes::copy_from_slice(&cursor.0)).unwrap_or_default();
        let query = pb::Query { start_cursor: from.clone(), ..query::scan(&self.client.home, scan) };
        let mut limit = limit_of(limit);
        let batch = loop {
            match self.run(&scan.namespace, pb::Query { limit: Some(limit), ..query.clone() }, &action) {
                // The answer is larger than a client takes: only the Firestore emulator puts so much into one.
                Err(StoreError::Refused { code, .. }) if code == "OUT_OF_RANGE" && limit > 1 => limit /= 2,
                batch => break batch?,
            }
        };
        let next = self.next(&batch, limit, &from, &action)?;
        Ok(Page { entities: self.entities(batch.entity_results, scan, &action)?, next: next.map(|next| Cursor(next.into())) })
    }
}

fn limit_of(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX).max(1)
}

fn size_of(limit: i32) -> usize {
    usize::try_from(limit).unwrap_or(0)
}

/// Whether a kind or namespace is the server's own.
fn is_reserved(name: &str) -> bool {
    name.len() >= 4 && name.starts_with("__") && name.ends_with("__")
}

/// Whether a key comes after another on this server or that one.
fn ascends(key: &Key, next: &Key) -> bool {
    order_key(key) < order_key(next) || utf16_order(key) < utf16_order(next)
}

/// Sorts as the Datastore emulator does, by UTF-16 units: there U+1F600 comes before U+FFEE. Firestore in Datastore
/// mode and its emulator sort by UTF-8 bytes, which is the order of code points.
pub(super) fn utf16_order(key: &Key) -> Vec<(Vec<u16>, Option<i64>, Vec<u16>)> {
    key.path()
        .iter()
        .map(|element| {
            let kind = element.kind.encode_utf16().collect();
            match &element.id {
                Id::Unset => (kind, None, Vec::new()),
                Id::Number(number) => (kind, Some(*number), Vec::new()),
                Id::Name(name) => (kind, Some(i64::MAX), name.encode_utf16().chain([0]).collect()),
            }
        })
        .collect()
}
