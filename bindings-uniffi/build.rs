//! Lets the linker make the library for apps smaller: packed relocations save some 90 KB, merged functions with the same code 20 KB.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| var(name).as_deref() == Ok(value);
    let link = |argument: &str| println!("cargo::rustc-cdylib-link-arg=-Wl,{argument}");
    if is("CARGO_CFG_TARGET_OS", "android") {
        // Android reads this form since API level 23.
        link("--pack-dyn-relocs=android");
        link("--icf=all");
    } else if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("OPT_LEVEL", "z") {
        // Nobody gets this library: it stands for Android's, for its size and for tests. Rust links it with LLD, as Android's NDK does;
        // glibc reads this form since 2.36.
        link("-z,pack-relative-relocs");
        link("--icf=all");
    }
    // Apple's linker does both by itself.
}
