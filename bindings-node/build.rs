//! Leaves the symbols of Node-API to be found in the program that loads the module.

fn main() {
    napi_build::setup();
}
