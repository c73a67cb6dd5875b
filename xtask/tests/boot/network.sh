#!/bin/sh
# Runs on two VMs, each of which asks the web server of the other one, and runs an image from the registry of the server.
. /scenario/common.sh

name=$(cat /proc/sys/kernel/hostname)
case $name in
server) own=10.0.2.15 other=10.0.2.16 ;;
agent) own=10.0.2.16 other=10.0.2.15 ;;
esac

ask() { /scenario/busybox wget -q -O /run/answer "http://$other:8000/name"; }

ask_other() {
    wait_for [ -e /sys/class/net/eth0 ]
    add_network "$own"
    mkdir /run/www
    echo "response of $name, $(uname -m)" >/run/www/name
    /scenario/busybox httpd -p "$own:8000" -h /run/www
    wait_for ask
    fact answer "$(cat /run/answer)"
}

image=10.0.2.15:5000/boot-test/busybox:1.0

run_image() {
    if [ "$name" = server ]; then
        /scenario/busybox httpd -p "$own:5000" -h /scenario/registry -c /scenario/registry/httpd.conf
    fi
    systemctl start containerd
    wait_for ctr images pull --plain-http "$image"
    fact image "$(ctr run --rm "$image" machine uname -m)"
}

step asked 300 'the other VM has answered' ask_other
step image 300 'the image for this architecture has been run' run_image
finish
