//! Tortures.
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let f = std::path::Path::new("/tmp/torture-x");
    let r = match &*a[1] { "s" => kv_torture::kills::servers(a[2].as_ref(), f, a[3].parse().unwrap(), 1),
     "b" => {let n: usize = a[3].parse().unwrap(); println!("{:?}", kv_torture::bits::run(a[2].parse().unwrap(), (n>0).then_some(n), 1)); return},  _ => kv_torture::kills::guests(a[2].as_ref(), f, a[3].parse().unwrap(), 1)};
    println!("{r:?}");
}
