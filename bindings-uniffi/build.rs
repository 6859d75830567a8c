//! Packs the relocations of the library for apps, which makes it some 90 KB smaller.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_app = var("OPT_LEVEL").as_deref() == Ok("z");
    match var("CARGO_CFG_TARGET_OS").as_deref() {
        // Android reads this form since API level 23.
        Ok("android") => println!("cargo::rustc-cdylib-link-arg=-Wl,--pack-dyn-relocs=android"),
        // Nobody gets this library: it stands for Android's, for its size and for tests. glibc reads this form since 2.36.
        Ok("linux") if is_app => println!("cargo::rustc-cdylib-link-arg=-Wl,-z,pack-relative-relocs"),
        // Apple's linker does the like by itself.
        _ => {}
    }
}
