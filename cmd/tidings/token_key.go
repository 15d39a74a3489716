package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// tokenKeyCmd is the command line of tidings token key.
type tokenKeyCmd struct {
	File string `arg:"" optional:"" default:"tidings.key" placeholder:"FILE" help:"Where to write the key; ${default} by default, - for standard output. An existing file is never overwritten."`
}

// Help is the manual.
func (*tokenKeyCmd) Help() string {
	return `
Makes a secret for HS256, HS384 or HS512: one line of 64 random characters. Only its owner can read the file. The secret makes tokens and
verifies them. To give the hub a key that only verifies tokens, make a pair of keys:

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem`
}

// secretBytes gives 64 characters in base64, enough for the largest hash.
const secretBytes = 48

// Run makes the secret.
func (c *tokenKeyCmd) Run(std stdio) error {
	return makeSecret(c.File, std, "next: tidings serve --key-file "+c.File)
}

// makeSecret writes a new secret to a file that does not exist, and says what to do next; or to standard output, for the name "-".
func makeSecret(file string, std stdio, next string) error {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails, according to its documentation
	line := base64.RawURLEncoding.EncodeToString(random) + "\n"
	if file == "-" {
		_, err := fmt.Fprint(std.out, line)
		return err
	}
	if err := writeNew(file, line); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s has a new secret; %s\n", file, next)
	return err
}

// writeNew writes a file that only its owner can read. It never overwrites a file.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and a new key would invalidate everything that was made with this one; remove the file first if you want that", name)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
