// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log"
	"math"
	"math/rand"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gantry.test/protobuf_peer/schema"
)

const deepest = 4

// generator fills messages with random content: often the edges of a type.
type generator struct {
	*rand.Rand
	forJSON bool
}

func newGenerator(seed int64) *generator {
	return &generator{rand.New(rand.NewSource(seed)), seed%2 != 0}
}

// fill sets some of a message's fields, fewer the deeper it stands.
func (g *generator) fill(m protoreflect.Message, depth int) {
	if g.fillWellKnown(m, depth) {
		return
	}
	fields := m.Descriptor().Fields()
	for i := 0; i < fields.Len(); i++ {
		field := fields.Get(i)
		required := field.Cardinality() == protoreflect.Required
		if !required && (g.Intn(depth+2) != 0 || depth >= deepest && field.Message() != nil) {
			continue
		}
		g.setField(m, field, depth)
	}
	if m.Descriptor().ExtensionRanges().Len() > 0 && g.Intn(2) == 0 {
		g.setField(m, schema.E_Note.TypeDescriptor(), depth)
		g.setField(m, schema.E_Extra.TypeDescriptor(), depth)
	}
}

func (g *generator) setField(m protoreflect.Message, field protoreflect.FieldDescriptor, depth int) {
	switch {
	case field.IsMap():
		entries := m.Mutable(field).Map()
		for i := g.Intn(4); i > 0; i-- {
			key := g.scalar(field.MapKey()).MapKey()
			if field.MapValue().Message() != nil {
				value := entries.NewValue()
				g.fill(value.Message(), depth+1)
				entries.Set(key, value)
			} else {
				entries.Set(key, g.scalar(field.MapValue()))
			}
		}
	case field.IsList():
		list := m.Mutable(field).List()
		for i := g.Intn(4); i > 0; i-- {
			if field.Message() != nil {
				g.fill(list.AppendMutable().Message(), depth+1)
			} else {
				list.Append(g.scalar(field))
			}
		}
	case field.Message() != nil:
		g.fill(m.Mutable(field).Message(), depth+1)
	default:
		m.Set(field, g.scalar(field))
	}
}

func (g *generator) scalar(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(g.Intn(2) == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(g.enum(field.Enum()))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(g.integer()))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(g.integer())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(g.integer()))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(g.integer()))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(g.float32())
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(g.float64())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(g.text())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(g.bytes())
	}
	panic("no scalar: " + field.FullName())
}

func (g *generator) enum(enum protoreflect.EnumDescriptor) protoreflect.EnumNumber {
	if g.Intn(8) == 0 && enum.FullName() != "google.protobuf.NullValue" && enum.ParentFile().Syntax() == protoreflect.Proto3 {
		return protoreflect.EnumNumber(int32(g.integer()))
	}
	return enum.Values().Get(g.Intn(enum.Values().Len())).Number()
}

var integerEdges = []int64{0, 1, -1, 127, 128, math.MaxInt32, math.MinInt32, math.MaxUint32, math.MaxInt64, math.MinInt64,
	1<<53 + 1}

func (g *generator) integer() int64 {
	switch g.Intn(3) {
	case 0:
		return integerEdges[g.Intn(len(integerEdges))]
	case 1:
		return int64(g.Intn(300)) - 100
	}
	return int64(g.Uint64())
}

var floatEdges = []float64{0, math.Copysign(0, -1), 1, 0.1, -2.5, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64,
	math.SmallestNonzeroFloat64, math.MaxFloat32, math.SmallestNonzeroFloat32, 1 << 53, 1e21}

func (g *generator) float64() float64 {
	if g.Intn(2) == 0 {
		return floatEdges[g.Intn(len(floatEdges))]
	}
	return math.Float64frombits(g.Uint64())
}

func (g *generator) float32() float32 {
	if g.Intn(2) == 0 {
		return float32(floatEdges[g.Intn(len(floatEdges))])
	}
	return math.Float32frombits(g.Uint32())
}

// finite is what a Value may hold.
func (g *generator) finite() float64 {
	for {
		if value := g.float64(); !math.IsNaN(value) && !math.IsInf(value, 0) {
			return value
		}
	}
}

var letters = []rune("abz_ Z09\"\\/\x00\x1f\u007f\u00e4\u2028\u20ac\ufeff\ufffd\U0001f600\U0010ffff")

func (g *generator) text() string {
	var text strings.Builder
	for i := g.Intn(12); i > 0; i-- {
		text.WriteRune(letters[g.Intn(len(letters))])
	}
	if g.Intn(40) == 0 {
		return strings.Repeat(text.String(), 50)
	}
	return text.String()
}

func (g *generator) bytes() []byte {
	bytes := make([]byte, g.Intn(20))
	_, _ = g.Read(bytes)
	return bytes
}

// fillWellKnown fills those types of which not every content is valid.
func (g *generator) fillWellKnown(m protoreflect.Message, depth int) bool {
	switch message := m.Interface().(type) {
	case *timestamppb.Timestamp:
		message.Seconds, message.Nanos = g.Int63n(315537897599)-62135596800, g.nanos()
	case *durationpb.Duration:
		message.Seconds, message.Nanos = g.Int63n(315576000000), g.nanos()
		if g.Intn(2) == 0 {
			message.Seconds, message.Nanos = -message.Seconds, -message.Nanos
		}
	case *structpb.Struct:
		proto.Merge(message, g.structure(depth))
	case *structpb.ListValue:
		proto.Merge(message, g.list(depth))
	case *structpb.Value:
		proto.Merge(message, g.value(depth))
	case *fieldmaskpb.FieldMask:
		for i := g.Intn(3); i > 0; i-- {
			message.Paths = append(message.Paths, []string{"a", "foo_bar", "foo.bar_baz.x", "b2"}[g.Intn(4)])
		}
	case *anypb.Any:
		g.fillAny(message, depth)
	default:
		return false
	}
	return true
}

func (g *generator) nanos() int32 {
	return []int32{0, 1, 1000, 500000000, 999999999, g.Int31n(1000000000)}[g.Intn(6)]
}

func (g *generator) value(depth int) *structpb.Value {
	kinds := 6
	if depth >= deepest {
		kinds = 4
	}
	switch g.Intn(kinds) {
	case 0:
		return structpb.NewNullValue()
	case 1:
		return structpb.NewBoolValue(g.Intn(2) == 0)
	case 2:
		return structpb.NewNumberValue(g.finite())
	case 3:
		return structpb.NewStringValue(g.text())
	case 4:
		return structpb.NewStructValue(g.structure(depth + 1))
	}
	return structpb.NewListValue(g.list(depth + 1))
}

func (g *generator) structure(depth int) *structpb.Struct {
	structure := &structpb.Struct{}
	for i := g.Intn(4); i > 0; i-- {
		if structure.Fields == nil {
			structure.Fields = map[string]*structpb.Value{}
		}
		structure.Fields[g.text()] = g.value(depth)
	}
	return structure
}

func (g *generator) list(depth int) *structpb.ListValue {
	list := &structpb.ListValue{}
	for i := g.Intn(4); i > 0; i-- {
		list.Values = append(list.Values, g.value(depth))
	}
	return list
}

func (g *generator) fillAny(any *anypb.Any, depth int) {
	inner := []proto.Message{
		&schema.Scalars{}, &schema.WellKnown{}, &schema.Everything_Inner{}, &timestamppb.Timestamp{}, &structpb.Value{},
		&wrapperspb.BoolValue{}, &wrapperspb.UInt64Value{}, &durationpb.Duration{}, &anypb.Any{},
	}[g.Intn(9)]
	switch choice := g.Intn(10); {
	case choice == 0:
		return
	case choice == 1 && !g.forJSON:
		any.TypeUrl, any.Value = "type.example/no.such.Type", g.bytes()
		return
	case choice == 2 && !g.forJSON:
		any.TypeUrl, any.Value = "type.example/gantry.test.Scalars", []byte("\xff no message")
		return
	}
	if depth < deepest {
		g.fill(inner.ProtoReflect(), depth+1)
	} else if value, ok := inner.(*structpb.Value); ok {
		proto.Merge(value, structpb.NewNullValue())
	}
	if err := any.MarshalFrom(inner); err != nil {
		log.Fatal(err)
	}
}

// oneNaN gives all numbers that are none the same bits.
func oneNaN(value protoreflect.Value) protoreflect.Value {
	switch number := value.Interface().(type) {
	case float32:
		if number != number {
			return protoreflect.ValueOfFloat32(float32(math.NaN()))
		}
	case float64:
		if number != number {
			return protoreflect.ValueOfFloat64(math.NaN())
		}
	}
	return value
}

// normalize encodes what stands in an Any in one way: its bytes may differ though the message is the same.
func normalize(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() == nil:
			value.Map().Range(func(key protoreflect.MapKey, element protoreflect.Value) bool {
				value.Map().Set(key, oneNaN(element))
				return true
			})
		case field.IsList() && field.Message() == nil:
			for i := 0; i < value.List().Len(); i++ {
				value.List().Set(i, oneNaN(value.List().Get(i)))
			}
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, element protoreflect.Value) bool {
				normalize(element.Message())
				return true
			})
		case field.IsList() && field.Message() != nil:
			for i := 0; i < value.List().Len(); i++ {
				normalize(value.List().Get(i).Message())
			}
		case !field.IsMap() && field.Message() != nil:
			normalize(value.Message())
		case !field.IsMap():
			m.Set(field, oneNaN(value))
		}
		return true
	})
	any, ok := m.Interface().(*anypb.Any)
	if !ok {
		return
	}
	inner, err := any.UnmarshalNew()
	if err != nil {
		return // bytes, compared as such
	}
	normalize(inner.ProtoReflect())
	any.Value, err = proto.MarshalOptions{Deterministic: true}.Marshal(inner)
	if err != nil {
		log.Fatal(err)
	}
}
