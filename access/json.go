package access

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Tokens and key documents are read by the strict rules of RFC 7493: UTF-8 only, each name once in an object, names compared with
// case. encoding/json accepts a repeated name, and "Exp" for "exp". Two programs could then read one token differently.
//
// The json package imported here is encoding/json/v2 for Go 1.26. From Go 1.27 on it is an alias of the standard library.

// decodeToken reads the JSON object in data into v, a pointer to a struct. Unlike json.Unmarshal it refuses null for a field of v.
// An error never repeats a value.
func decodeToken(data []byte, v any) error {
	return explain(json.Unmarshal(data, v, json.WithUnmarshalers(refuseNull)))
}

// refuseNull is called before each value that is decoded into a field. Null would otherwise stand for the zero value of every
// type.
var refuseNull = json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v any) error {
	if dec.PeekKind() == jsontext.KindNull {
		return &json.SemanticError{GoType: reflect.TypeOf(v).Elem()}
	}
	return errors.ErrUnsupported // decode the value as usual
})

// syntaxError says why data is not strict JSON.
type syntaxError struct{ error }

// explain replaces an error of the json package, which names Go types, by one that names the claim and its JSON type.
func explain(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return syntaxError{fmt.Errorf("the name %.100q appears twice in one object", syntax.JSONPointer.LastToken())}
		}
		return syntaxError{fmt.Errorf("invalid JSON at byte %d: %.100s", syntax.ByteOffset, syntax.Err.Error())}
	}
	semantic, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return syntaxError{fmt.Errorf("invalid JSON: %.100s", err.Error())}
	case semantic.JSONPointer == "":
		return syntaxError{errors.New("not a JSON object")}
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("%s has the unknown name %.100q", path(semantic.JSONPointer.Parent()), semantic.JSONPointer.LastToken())
	}
	if own, ok := errors.AsType[valueError](err); ok {
		return fmt.Errorf("%s %w", path(semantic.JSONPointer), own)
	}
	return fmt.Errorf("%s is not %s", path(semantic.JSONPointer), wanted(semantic.GoType))
}

// path writes a JSON Pointer as people write it: "tidings.publish.0".
func path(p jsontext.Pointer) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(p), "/"), "/", ".")
}

// wanted names the JSON type of a field.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[numericDate]():
		return "a number of seconds"
	case t == reflect.TypeFor[jsontext.Value]():
		return "a value other than null"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "an array of objects"
	case t.Kind() == reflect.Slice:
		return "an array of strings"
	case t.Kind() == reflect.Struct:
		return "an object"
	}
	return "a string"
}

// valueError completes the sentence that begins with the name of a claim.
type valueError string

func (e valueError) Error() string { return string(e) }

// numericDate is a time as tokens write it (RFC 7519, section 2): seconds since 1970, possibly with a fraction.
type numericDate struct{ time.Time }

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (d *numericDate) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if raw.Kind() != jsontext.KindNumber {
		return &json.SemanticError{}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f < 0 || f > lastSecond {
		return valueError(fmt.Sprintf("is %.40s, which is not a time between the years 1970 and 9999", raw))
	}
	whole, part := math.Modf(f)
	d.Time = time.Unix(int64(whole), int64(part*1e9))
	return nil
}

// audience is the claim aud (RFC 7519, section 4.1.3): one string, or an array of strings.
type audience []string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (a *audience) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != jsontext.KindString {
		return json.UnmarshalDecode(dec, (*[]string)(a))
	}
	*a = make(audience, 1)
	return json.UnmarshalDecode(dec, &(*a)[0])
}
