package manifest

import (
	"encoding/base64"
	"math/big"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// canonical is the value as maps, slices, strings, numbers and booleans, with nothing in it that was not asked for: fields that are
// unset, null or empty are gone, and each quantity has one spelling. It is nil when nothing is left. It rests on names of JSON
// fields and on nothing else of the libraries, so that upgrading them changes no digest.
//
// Entries of maps and items of lists stay though they are empty, for there even nothing says something.
func canonical(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case resource.Quantity:
		if x.IsZero() {
			return nil
		}
		return exact(x)
	case intstr.IntOrString:
		return intOrString(x)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return canonicalPointer(v)
	case reflect.Struct:
		return canonicalStruct(v)
	case reflect.Map:
		return canonicalMap(v)
	case reflect.Slice:
		return canonicalSlice(v)
	}
	if v.IsZero() {
		return nil
	}
	return v.Interface()
}

// canonicalPointer keeps what is pointed at though it is zero: that it was written makes a difference.
func canonicalPointer(v reflect.Value) any {
	if v.IsNil() {
		return nil
	}
	if v.Elem().Kind() == reflect.Struct {
		return canonical(v.Elem())
	}
	return v.Elem().Interface()
}

func canonicalStruct(v reflect.Value) any {
	out := map[string]any{}
	for _, f := range fieldsOf(v.Type()) {
		if value := canonical(v.FieldByIndex(f.index)); value != nil {
			out[f.name] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func canonicalMap(v reflect.Value) any {
	if v.Len() == 0 {
		return nil
	}
	out := map[string]any{}
	for _, key := range v.MapKeys() {
		out[key.String()] = canonical(v.MapIndex(key))
	}
	return out
}

func canonicalSlice(v reflect.Value) any {
	if v.Len() == 0 {
		return nil
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	out := make([]any, v.Len())
	for i := range out {
		out[i] = canonical(v.Index(i))
	}
	return out
}

// exact is the quantity as a fraction in lowest terms: 1, 1000m and 1e0 are "1".
func exact(q resource.Quantity) string {
	dec := q.AsDec()
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(abs(int(dec.Scale())))), nil)
	value := new(big.Rat).SetInt(dec.UnscaledBig())
	if dec.Scale() < 0 {
		return value.Mul(value, new(big.Rat).SetInt(ten)).RatString()
	}
	return value.Quo(value, new(big.Rat).SetInt(ten)).RatString()
}

func intOrString(x intstr.IntOrString) any {
	if x.Type == intstr.String {
		return x.StrVal
	}
	if x.IntVal == 0 {
		return nil
	}
	return x.IntVal
}
