//! What a request costs before anything is done for it: a server of hyper alone reads the body and
//! answers one fixed kilobyte, under the load that `indelible-load --mode single` makes. What a ledger
//! costs beyond this is its own.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use indelible_benches::load::cpu;
use indelible_benches::load::drive::{self, Plan};
use tokio::net::TcpListener;

/// Bytes of the answer: about those of a receipt.
const ANSWER_BYTES: usize = 1400;

/// Measure what one request costs a server of hyper that does nothing.
#[derive(Parser)]
struct Args {
    /// Connections at the same time.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Requests in all.
    #[arg(long, default_value_t = 200_000)]
    requests: u64,
    /// Bytes of each event.
    #[arg(long, default_value_t = 512)]
    event_bytes: usize,
    /// Be the server (the measurement starts one by itself).
    #[arg(long, hide = true)]
    serve: bool,
}

/// Ends the server with the measurement, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.serve {
        return tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve());
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&args))
}

async fn measure(args: &Args) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let child = Command::new(program).arg("--serve").stdout(Stdio::piped()).spawn()?;
    let mut server = Server(child);
    let out = server.0.stdout.take().context("the server has no output")?;
    let mut address = String::new();
    BufReader::new(out).read_line(&mut address)?;
    let plan = Plan {
        address: address.trim().into(),
        token: "0".repeat(64),
        ledgers: vec!["load-00000".into()],
        connections: args.connections,
        events: args.requests,
        event_bytes: args.event_bytes,
    };
    let before = cpu::seconds(server.0.id())?;
    let outcome = drive::singles(&plan, None).await?;
    let spent = cpu::seconds(server.0.id())? - before;
    println!(
        "rate            {:.0} requests/s",
        args.requests as f64 / outcome.elapsed.as_secs_f64()
    );
    println!("server CPU      {:.2} us per request", spent * 1e6 / args.requests as f64);
    Ok(())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let answer = Bytes::from(vec![b'x'; ANSWER_BYTES]);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(request, answer.clone()));
            // A client that goes away is the end of its connection and nothing more.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // A body that breaks off ends the connection by itself.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(answer));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
