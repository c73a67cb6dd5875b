#!/bin/busybox sh
# Process 1 of the initrd: loads the modules for the guest's disk, mounts it and starts its systemd.
set -e

end() {
    # Otherwise the kernel would panic, and its log would end with a message about process 1.
    [ ! -e /dev/hvc0 ] || echo "fail the initrd ended while $doing" >/dev/hvc0
    echo "initrd: ended while $doing"
    poweroff -f
}
trap end EXIT

doing='linking the commands'
/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin
/bin/busybox --install -s

doing='mounting'
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

while read -r module; do
    doing="loading $module"
    case $module in
    *.xz) xzcat "$module" >/module.ko ;;
    *.gz) zcat "$module" >/module.ko ;;
    *) cp "$module" /module.ko ;;
    esac
    insmod /module.ko
done </modules/list
rm -f /module.ko

doing='waiting for the disk labelled guest'
until disk=$(findfs LABEL=guest); do sleep 0.1; done
echo 'mark kernel' >/dev/hvc0

doing='mounting the disk'
mount -t ext4 "$disk" /root
umount /proc
umount /sys
doing='starting systemd'
exec switch_root /root /usr/lib/systemd/systemd
