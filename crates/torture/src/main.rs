//! Tortures.
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let f = std::path::Path::new("/tmp/torture-x");
    let r = match &*a[1] { "s" => kv_torture::kills::servers(a[2].as_ref(), f, a[3].parse().unwrap(), 1),
     "d" => {println!("{:?}", kv_torture::full_disk::run(a[2].as_ref(), f, 3, 1)); return},"r" => {println!("{:?}", kv_torture::races::run(a[2].as_ref(), f, 5, 1)); return},"c" => {println!("{:?}", kv_torture::clocks::run(f, 500, 1)); return},"u" => {println!("{:?}", kv_torture::builds::run(a[2].as_ref(), f, 2, 1)); return},"h" => {println!("{:?}", kv_torture::history::run(a[2].as_ref(), f, 1, 1)); return},"b" => {let n: usize = a[3].parse().unwrap(); println!("{:?}", kv_torture::bits::run(a[2].parse().unwrap(), (n>0).then_some(n), 1)); return},  _ => kv_torture::kills::guests(a[2].as_ref(), f, a[3].parse().unwrap(), 1)};
    println!("{r:?}");
}
