package main

import (
	"fmt"
	"io"
	"os"
)

// mostSettings is how many bytes a file may have that podkeep goes by: of flags, of a key, of signers.
const mostSettings = 1 << 20

// readSettings is what such a file holds.
func readSettings(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return settingsIn(name, file)
}

func settingsIn(name string, file io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(file, mostSettings+1))
	if err == nil && len(text) > mostSettings {
		err = fmt.Errorf("%s: is larger than %d KiB: name the file that was meant", name, mostSettings>>10)
	}
	return text, err
}
