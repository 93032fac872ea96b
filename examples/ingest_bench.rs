use earnest::ingest::{Request, ingest};
use earnest::job::Job;
use earnest::warehouse::Store;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let threads: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let mut job = Job::load(std::path::Path::new(&path)).unwrap();
    job.limits.threads = threads;
    let dir = std::path::Path::new(&path).parent().unwrap().join("bench-warehouse");
    let _ = std::fs::remove_dir_all(&dir);
    let store = Store::open(&dir.to_string_lossy(), None).unwrap();
    let started = std::time::Instant::now();
    let done = ingest(&Request {
        job: &job,
        store: &store,
        previous: None,
        as_of: "2030-01-01".parse().unwrap(),
        run_id: "bench",
    })
    .unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!("{} rows {:.2} s", done.staged, seconds);
}
