package agent

import (
	"net"
	"os"

	"github.com/sirupsen/logrus"
)

// notifyReady notifies systemd that the service is up, as sd_notify(3) says. Without systemd it does
// nothing. An address that begins with @ is an abstract one, which package net understands.
func notifyReady() {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	os.Unsetenv("NOTIFY_SOCKET")
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		logrus.Errorf("Failed to notify systemd: %v", err)
		return
	}
	defer socket.Close()
	if _, err := socket.Write([]byte("READY=1\n")); err != nil {
		logrus.Errorf("Failed to notify systemd: %v", err)
	}
}
