//! Tortures.
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let f = std::path::Path::new("/tmp/torture-x");
    let r = match &*a[1] { "s" => kv_torture::kills::servers(a[2].as_ref(), f, a[3].parse().unwrap(), 1),
     _ => kv_torture::kills::guests(a[2].as_ref(), f, a[3].parse().unwrap(), 1)};
    println!("{r:?}");
}
