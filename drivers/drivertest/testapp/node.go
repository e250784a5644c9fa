package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// nodeSocket is where the node side answers.
const nodeSocket = "/var/lib/podkeep/node.sock"

func node(verb string, term chan os.Signal) error {
	if verb == "attach" {
		return attach()
	}
	env("PODKEEP_PODMAN")
	_ = os.Remove(nodeSocket)
	l, err := net.Listen("unix", nodeSocket)
	if err != nil {
		return err
	}
	fmt.Println("pid", os.Getpid())
	go func() {
		<-term
		os.Exit(0)
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}()
	}
}

// attach ends when either side does.
func attach() error {
	c, err := net.Dial("unix", nodeSocket)
	if err != nil {
		return err
	}
	over := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(c, os.Stdin); over <- struct{}{} }()
	go func() { _, _ = io.Copy(os.Stdout, c); over <- struct{}{} }()
	<-over
	os.Exit(0)
	return nil
}

// doorDir is where doors and the node side meet. doorAddress is one that nobody else has.
const (
	doorDir     = "/run/podkeep-doors"
	doorAddress = "127.80.0.80:80"
)

// door tries what a door does, and what it is not to do.
func door(next func() string, term chan os.Signal) error {
	_, _, pod := next(), next(), next()
	fmt.Println("pod", pod)
	err := errors.Join(caps(), namespace("net"), os.WriteFile(doorDir+"/"+pod, []byte(pod), 0o600), listen(doorAddress))
	if outside := os.WriteFile("/file", nil, 0o600); outside != nil {
		fmt.Println("outside:", outside)
	}
	fmt.Println("door:", err)
	<-term
	os.Exit(0)
	return nil
}
