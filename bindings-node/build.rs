//! Lets the linker leave the Node-API symbols undefined: the program that loads the module provides them.

fn main() {
    napi_build::setup();
}
