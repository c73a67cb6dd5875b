//! Tests of the scripts that are entries of images, each run by busybox in a root file system of its own.

#[path = "../support/needs.rs"]
mod needs;
mod root;

mod klipper_helm;
mod klipper_lb;
