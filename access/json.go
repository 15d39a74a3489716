package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// object is a JSON object as it has to be in a token: each name once, spelled exactly.
//
// encoding/json takes the last of two equal names, and Exp for exp. Others take the first. A token that two programs read
// differently is one that says to the hub what its issuer never said.
type object map[string]json.RawMessage

func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8") // encoding/json would mend it, and make one name of two
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return nil, errors.New("not a JSON object")
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, err
	}
	if members(data) != len(o) {
		return nil, errors.New("a name is there twice")
	}
	return o, nil
}

// members counts those of a valid JSON object: each has a colon.
func members(object []byte) (n int) {
	depth, quoted := 0, false
	for i := 0; i < len(object); i++ {
		switch c := object[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth == 1:
			n++
		}
	}
	return n
}

func (o object) has(name string) bool { _, ok := o[name]; return ok }

// begins reports whether a value is there, and an error if it is not of the kind that begins with one of these bytes. In Go null
// fits everything, and in a token nothing.
func (o object) begins(name, with, kind string) (bool, error) {
	v, ok := o[name]
	if ok && bytes.IndexByte([]byte(with), v[0]) < 0 {
		return false, fmt.Errorf("%s is not %s", name, kind)
	}
	return ok, nil
}

func (o object) text(name string) (text string, err error) {
	if ok, err := o.begins(name, `"`, "a string"); !ok {
		return "", err
	}
	return text, json.Unmarshal(o[name], &text)
}

func (o object) texts(name string) ([]string, error) {
	if ok, err := o.begins(name, "[", "an array of strings"); !ok {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(o[name], &list); err != nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, v := range list {
		if v[0] != '"' {
			return nil, fmt.Errorf("%s is not an array of strings", name)
		}
		if err := json.Unmarshal(v, &texts[i]); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func (o object) bool(name string) (yes bool, err error) {
	if ok, err := o.begins(name, "tf", "true or false"); !ok {
		return false, err
	}
	return yes, json.Unmarshal(o[name], &yes)
}

func (o object) object(name string) (object, error) {
	if ok, err := o.begins(name, "{", "an object"); !ok {
		return nil, err
	}
	inner, err := parseObject(o[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return inner, nil
}

// lastSecond is the end of the year 9999, behind which a time cannot be written as RFC 3339.
const lastSecond = 253402300799

// time reads a NumericDate (RFC 7519, section 2): seconds since 1970, which may have a fraction.
func (o object) time(name string) (time.Time, error) {
	if ok, err := o.begins(name, "-0123456789", "a number of seconds"); !ok {
		return time.Time{}, err
	}
	f, err := strconv.ParseFloat(string(o[name]), 64)
	if err != nil || f < 0 || f > lastSecond {
		return time.Time{}, fmt.Errorf("%s is %.40s, which is no time between the years 1970 and 9999", name, o[name])
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}
