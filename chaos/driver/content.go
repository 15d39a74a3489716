package driver

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// Content returns the data of the event with a name: the name, and text that follows from it, of 0 to 200 bytes, or of 20,000 for one event in
// a hundred.
func Content(name string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // never fails
	sum := hash.Sum64()
	length := int(sum % 200)
	if sum>>32%100 == 0 {
		length = 20_000
	}
	text := fmt.Sprintf("%016x", sum)
	return name + ":" + strings.Repeat(text, length/len(text)+1)[:length]
}

// NameOf returns the name of the event that has this content, or an error if no event has.
func NameOf(content string) (string, error) {
	name, _, _ := strings.Cut(content, ":")
	if Content(name) != content {
		return "", fmt.Errorf("%.100q is not the content of any event", content)
	}
	return name, nil
}
