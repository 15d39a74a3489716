package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// tokenCmd is `tidings token`: to make keys and tokens, and to see why one is refused.
type tokenCmd struct {
	Key     tokenKeyCmd     `cmd:"" help:"Make a secret that signs tokens."`
	Mint    tokenMintCmd    `cmd:"" help:"Make a token."`
	Explain tokenExplainCmd `cmd:"" help:"Print what a token grants, and why it is refused."`
}

// Help is the manual. Kong reflows it as a doc comment: indented lines stay as they are.
func (*tokenCmd) Help() string {
	return `
A token names its bearer and what the bearer may publish and subscribe to. It is a JSON Web Token: the server that logs your users in
can make tokens, too. The hub needs only the key.

From nothing to a hub that knows its users:

    tidings token key
    tidings serve --key-file tidings.key
    tidings token mint --key-file tidings.key --sub alice \
      --subscribe 'news/**' --publish chat
    TIDINGS_TOKEN=... tidings sub 'news/**'`
}

// tokenKey is the key that a command needs.
type tokenKey struct {
	KeyFile string `type:"path" placeholder:"FILE" help:"The key: a secret, as tidings token key makes it, or a PEM file; by default the value of TIDINGS_KEY."`
	Alg     string `placeholder:"ALG" help:"The algorithm, such as PS256; by default the usual one of the key: HS256, RS256, ES256, ES384, ES512 or EdDSA."`
}

// keyVariable is the variable of the environment that has a key itself. There is no flag for that: everybody on the machine can read a
// command line.
const keyVariable = "TIDINGS_KEY"

var errNoKey = errors.New("say which key: --key-file FILE, or " + keyVariable + " in the environment\nhint: tidings token key makes one")

// read returns the text of the key, and where it is from. The error is errNoKey if none was given.
func (k *tokenKey) read() (text []byte, from string, err error) {
	if k.KeyFile != "" {
		text, err := readKey(k.KeyFile)
		return text, k.KeyFile, err
	}
	if text := os.Getenv(keyVariable); text != "" {
		return []byte(text), "environment " + keyVariable, nil
	}
	return nil, "", errNoKey
}

// readKey reads a file with a key.
func readKey(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key in %s: no such file\nhint: tidings token key %s makes one", name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("a key cannot be read: %w", err)
	}
	return text, nil
}

// keyError names the file or variable of an invalid key. For a weak secret it adds how to make a better one.
func keyError(from string, err error) error {
	text := fmt.Sprintf("%s: %s", from, strings.TrimPrefix(err.Error(), "access: "))
	if errors.Is(err, access.ErrWeakSecret) {
		text += "\nhint: tidings token key makes one"
	}
	return errors.New(text)
}

// algorithms are those for a key, none if its usual one.
func (k *tokenKey) algorithms() []string {
	if k.Alg == "" {
		return nil
	}
	return []string{k.Alg}
}

// checker returns the key that checks tokens. A private key includes the public one.
func (k *tokenKey) checker() (access.Key, error) {
	text, from, err := k.read()
	if err != nil {
		return access.Key{}, err
	}
	key, err := access.ParseKey(text, k.algorithms()...)
	if errors.Is(err, access.ErrPrivate) {
		var signer *access.Signer
		if signer, err = access.ParseSigner(text, k.Alg); err == nil {
			key = signer.Key()
		}
	}
	if err != nil {
		return access.Key{}, keyError(from, err)
	}
	return key, nil
}

// signer returns what signs.
func (k *tokenKey) signer() (*access.Signer, error) {
	text, from, err := k.read()
	if err != nil {
		return nil, err
	}
	signer, err := access.ParseSigner(text, k.Alg)
	if err != nil {
		return nil, keyError(from, err)
	}
	return signer, nil
}

// parsePatterns reads the patterns of a flag.
func parsePatterns(flag string, texts []string) ([]eventlog.Matcher, error) {
	var patterns []eventlog.Matcher
	for _, text := range texts {
		p, err := eventlog.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}
