//! What an emulator can do at most: several clients at once that neither encode nor decode while the clock runs.
//!
//! Requests are made beforehand; their bytes are sent, and answers are dropped unread.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use gaebar_gen::seed::Headline;
use gaebar_runtime::model::Entity;
use gaebar_runtime::proto::Home;
use gaebar_runtime::proto::written::{CommitRequest, Mutation, Operation};
use gaebar_runtime::store::DatastoreStore;
use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use pb::datastore_client::DatastoreClient;
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::data::scans;

/// Entities a commit.
const BATCH: usize = 500;
/// The largest answer taken.
const MOST_BYTES: usize = 256 << 20;

/// How many rows passed, and how long that took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Saturated {
    rows: u64,
    seconds: f64,
}

impl Display for Saturated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{{\"rows\": {}, \"seconds\": {}}}", self.rows, self.seconds)
    }
}

/// All pages of all kinds, by several clients at once. A page's place is learnt by reading once before.
pub(crate) fn reads(host: &str, project: &str, clients: usize) -> anyhow::Result<Saturated> {
    let store = DatastoreStore::connect_to_emulator(host, project, "")?;
    let scans = scans(&store)?;
    let runtime = Runtime::new()?;
    let (mut requests, mut rows) = (Vec::new(), 0);
    let mut datastore = DatastoreClient::new(runtime.block_on(endpoint(host)?.connect())?).max_decoding_message_size(MOST_BYTES);
    for scan in scans {
        let mut cursor = Bytes::new();
        loop {
            let request = query(project, &scan.namespace, &scan.kind, cursor.clone());
            let answer = runtime.block_on(datastore.run_query(request.clone()))?.into_inner();
            let batch = answer.batch.context("a query has results")?;
            if batch.entity_results.is_empty() {
                break;
            }
            rows += batch.entity_results.len() as u64;
            requests.push(Bytes::from(request.encode_to_vec()));
            cursor = batch.end_cursor;
        }
    }
    saturate(&runtime, host, "RunQuery", requests, clients, rows)
}

/// Commits of rows of the headline set, by several clients at once.
pub(crate) fn writes(host: &str, project: &str, clients: usize, rows: u64) -> anyhow::Result<Saturated> {
    let home = Home { project: project.to_owned(), database: String::new() };
    let entities: Vec<Entity> = Headline::new(rows).collect::<Result<_, _>>()?;
    let requests = entities.chunks(BATCH).map(|batch| {
        let mutation = |entity| Mutation { operation: Some(Operation::Upsert(home.entity_to_proto(entity))) };
        let request = CommitRequest {
            project_id: project.to_owned(),
            mode: pb::commit_request::Mode::NonTransactional.into(),
            mutations: batch.iter().map(mutation).collect(),
            ..CommitRequest::default()
        };
        Bytes::from(request.encode_to_vec())
    });
    saturate(&Runtime::new()?, host, "Commit", requests.collect(), clients, rows)
}

/// The query that costs the emulator least: without an order and a limit, so that the emulator ends a batch where it likes.
fn query(project: &str, namespace: &str, kind: &str, start_cursor: Bytes) -> pb::RunQueryRequest {
    let query = pb::Query { kind: vec![pb::KindExpression { name: kind.to_owned() }], start_cursor, ..pb::Query::default() };
    pb::RunQueryRequest {
        project_id: project.to_owned(),
        partition_id: Some(pb::PartitionId {
            project_id: project.to_owned(),
            namespace_id: namespace.to_owned(),
            ..pb::PartitionId::default()
        }),
        query_type: Some(pb::run_query_request::QueryType::Query(query)),
        ..pb::RunQueryRequest::default()
    }
}

fn endpoint(host: &str) -> anyhow::Result<Endpoint> {
    Ok(Endpoint::from_shared(format!("http://{host}"))?)
}

/// Sends all requests, each client the next one that nobody has sent, over a connection of its own.
fn saturate(
    runtime: &Runtime,
    host: &str,
    method: &str,
    requests: Vec<Bytes>,
    clients: usize,
    rows: u64,
) -> anyhow::Result<Saturated> {
    let path: PathAndQuery = format!("/google.datastore.v1.Datastore/{method}").parse()?;
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let channels: Vec<Channel> =
        (0..clients).map(|_| Ok(runtime.block_on(endpoint(host)?.connect())?)).collect::<anyhow::Result<_>>()?;
    let begun = Instant::now();
    let tasks = channels.into_iter().map(|channel| {
        let (requests, next, path) = (Arc::clone(&requests), Arc::clone(&next), path.clone());
        runtime.spawn(async move {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(MOST_BYTES);
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                grpc.ready().await?;
                grpc.unary(Request::new(request.clone()), path.clone(), Raw).await?;
            }
            anyhow::Ok(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        runtime.block_on(task)??;
    }
    Ok(Saturated { rows, seconds: begun.elapsed().as_secs_f64() })
}

/// Messages as they are: bytes out, nothing in.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}
