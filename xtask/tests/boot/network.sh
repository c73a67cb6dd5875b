#!/bin/sh
# Runs on two VMs, each of which asks the web server of the other one.
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
    echo "response of $name" >/run/www/name
    /scenario/busybox httpd -p "$own:8000" -h /run/www
    wait_for ask
    fact answer "$(cat /run/answer)"
}

step asked 300 'the other VM has answered' ask_other
finish
