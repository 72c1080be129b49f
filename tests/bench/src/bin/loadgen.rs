//! Open-loop, fixed-rate HTTP/1.1 POST generator: latency is counted from the moment a request was DUE (no coordinated omission).
//! loadgen HOST:PORT RATE SECONDS CONNS [PATH]   -> one line: sent ok err p50 p90 p99 p99.9 max (microseconds)
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#;
async fn one(s: &mut TcpStream, req: &[u8], buf: &mut Vec<u8>) -> std::io::Result<bool> {
    s.write_all(req).await?;
    buf.clear();
    loop {
        let n = s.read_buf(buf).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(e) = buf.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buf[..e])
                .unwrap_or("")
                .to_ascii_lowercase();
            let ok = head.starts_with("http/1.1 200");
            if let Some(l) = head.lines().find_map(|l| l.strip_prefix("content-length:")) {
                let want = e + 4 + l.trim().parse::<usize>().unwrap();
                while buf.len() < want {
                    if s.read_buf(buf).await? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                return Ok(ok);
            }
            while !buf.ends_with(b"0\r\n\r\n") {
                if s.read_buf(buf).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok(ok);
        }
    }
}
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (host, rate, secs, conns): (String, f64, f64, usize) = (
        a[1].clone(),
        a[2].parse().unwrap(),
        a[3].parse().unwrap(),
        a[4].parse().unwrap(),
    );
    assert!(
        host.starts_with("127.") && secs <= 60.0 && rate <= 50_000.0,
        "loopback only, bounded"
    );
    let path = a.get(5).cloned().unwrap_or("/mcp".into());
    let token = std::env::var("BENCH_TOKEN").unwrap_or_else(|_| "none".into());
    let req: Arc<[u8]> = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Protocol-Version: 2025-11-25\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()).into_bytes().into();
    let total = (rate * secs) as u64;
    let t0 = Instant::now() + Duration::from_millis(200);
    let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut js = Vec::new();
    for _ in 0..conns {
        let (req, next, host) = (req.clone(), next.clone(), host.clone());
        js.push(tokio::spawn(async move {
            let mut s = TcpStream::connect(&host).await.unwrap();
            s.set_nodelay(true).unwrap();
            let (mut lat, mut err, mut buf) =
                (Vec::with_capacity(8192), 0u64, Vec::with_capacity(4096));
            loop {
                let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if i >= total {
                    break;
                }
                let due = t0 + Duration::from_secs_f64(i as f64 / rate);
                let now = Instant::now();
                if due > now {
                    // sleep coarse, then yield until due (timer granularity is 1 ms)
                    if due - now > Duration::from_millis(2) {
                        tokio::time::sleep(due - now - Duration::from_millis(2)).await
                    }
                    while Instant::now() < due {
                        tokio::task::yield_now().await
                    }
                }
                match one(&mut s, &req, &mut buf).await {
                    Ok(true) => lat.push(due.elapsed().as_micros() as u64),
                    Ok(false) => err += 1,
                    Err(_) => {
                        err += 1;
                        s = TcpStream::connect(&host).await.unwrap();
                        s.set_nodelay(true).unwrap();
                    }
                }
            }
            (lat, err)
        }));
    }
    let (mut all, mut err) = (vec![], 0);
    for j in js {
        let (l, e) = j.await.unwrap();
        all.extend(l);
        err += e
    }
    all.sort_unstable();
    let p = |q: f64| {
        all.get(((all.len() as f64 * q) as usize).min(all.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    println!(
        "sent={total} ok={} err={err} p50={} p90={} p99={} p999={} max={}",
        all.len(),
        p(0.5),
        p(0.9),
        p(0.99),
        p(0.999),
        p(1.0)
    );
}
