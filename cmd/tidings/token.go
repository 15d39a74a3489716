package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/plain"
)

// tokenCmd is the command line of tidings token, which makes keys and tokens and explains refusals.
type tokenCmd struct {
	Key     tokenKeyCmd     `cmd:"" help:"Make a secret that signs tokens."`
	Mint    tokenMintCmd    `cmd:"" help:"Make a token."`
	Explain tokenExplainCmd `cmd:"" help:"Print what a token grants, and why it is refused."`
}

// Help is the manual. Kong reflows it as a doc comment: indented lines stay as they are.
func (*tokenCmd) Help() string {
	return `
A token names its bearer, and the topics that the bearer may publish and subscribe to. It is a JSON Web Token, so the server that logs
your users in can also make tokens. The hub needs only the key.

All steps from the key to a subscription with a token:

    tidings token key
    tidings serve --key-file tidings.key
    tidings token mint --key-file tidings.key --sub alice \
      --subscribe 'news/**' --publish chat
    TIDINGS_TOKEN=... tidings sub 'news/**'`
}

// tokenKey are the flags for a key.
type tokenKey struct {
	KeyFile string `type:"path" placeholder:"FILE" help:"The key: a secret, as tidings token key makes it, or a PEM file; by default the value of TIDINGS_KEY."`
	Alg     string `placeholder:"ALG" help:"The algorithm, such as PS256; by default the usual one of the key: HS256, RS256, ES256, ES384, ES512 or EdDSA."`
}

// keyVariable is the environment variable that contains a key. There is no flag for a key, because all users of a machine can read its command
// lines.
const keyVariable = "TIDINGS_KEY"

var errNoKey = errors.New("a key is needed: --key-file FILE, or " + keyVariable + " in the environment\nhint: tidings token key makes one")

// read returns the text of the key and its source. Without a key the error is errNoKey.
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
		return nil, fmt.Errorf("the key cannot be read: %w", err)
	}
	return text, nil
}

// keyError adds the source of an invalid key to its error. For a weak secret it adds a hint.
func keyError(from string, err error) error {
	text := fmt.Sprintf("%s: %s", from, plain.Text(err.Error()))
	if errors.Is(err, access.ErrWeakSecret) {
		text += "\nhint: tidings token key makes one"
	}
	return errors.New(text)
}

// algorithms returns the algorithm of --alg, none for the default of the key.
func (k *tokenKey) algorithms() []string {
	if k.Alg == "" {
		return nil
	}
	return []string{k.Alg}
}

// checker returns the key that verifies tokens. It accepts a private key, too, which contains the public one.
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

// signer returns the signer for the key.
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
