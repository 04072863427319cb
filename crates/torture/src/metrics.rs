//! What a server says of itself.

use crate::failure::Failure;
use crate::server::Ready;

/// How often the guest was started again.
///
/// # Errors
/// Where the server does not say.
pub fn restarts(ready: &Ready) -> Result<u64, Failure> {
    let url = format!("http://{}/metrics", ready.http);
    let failed = |e: ureq::Error| Failure::new(format!("{url}: {e}"));
    let mut response = ureq::get(&url).call().map_err(failed)?;
    let text = response.body_mut().read_to_string().map_err(failed)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("kv_actor_restarts_total "));
    line.and_then(|count| count.parse().ok())
        .ok_or_else(|| Failure::new("there is no count of restarts in the metrics"))
}
