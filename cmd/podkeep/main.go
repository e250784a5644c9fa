// Command podkeep keeps a fleet of Podman hosts the way a Git repository says.
package main

import "os"

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }
