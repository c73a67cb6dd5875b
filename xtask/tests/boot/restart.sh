#!/bin/busybox sh
# Process 1 of a guest without systemd, which writes behind the file system: nothing there is flushed unless dd does it.
set -e
PATH=/bin
export PATH
mount -t devtmpfs dev /dev
mount -t proc proc /proc
report() { echo "$*" >/dev/hvc0; }
# write BLOCK TEXT OPTION, and read BLOCK: a block of 4 KiB, past the cache of the kernel.
write() { yes "$2" | head -c 4096 | dd of=/dev/vda bs=4096 seek="$1" count=1 iflag=fullblock "$3"; }
read_block() { dd if=/dev/vda bs=4096 skip="$1" count=1 iflag=direct | head -n 1; }
report mark systemd
case $(cat /proc/cmdline) in
*' boot-test.reached=rebooted'*)
    report fact flushed "$(read_block 4098)"
    report fact not-flushed "$(read_block 4097)"
    report mark cut
    report 'done'
    ;;
*' boot-test.phase=second'*)
    [ "$(cat /file)" = kept ]
    [ "$(read_block 4097)" = first ]
    report mark rebooted
    # A commit of its journal would be a flush.
    mount -o remount,ro /
    write 4098 second conv=fsync
    write 4097 third oflag=direct
    report fact written "$(read_block 4097)"
    report restart power-cut 0
    ;;
*)
    write 4097 first conv=fsync
    echo kept >/file
    sync
    report keep phase second
    report restart reboot
    reboot -f
    ;;
esac
while :; do sleep 1000; done
