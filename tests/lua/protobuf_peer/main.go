// SPDX-License-Identifier: Apache-2.0

// protobuf_peer is the real Go protobuf library for the tests of gantry's codec: it makes random messages from a seed,
// and says whether what became of them in Lua is still the same.
//
//	protobuf_peer descriptors                    the .proto files, as records without a name
//	protobuf_peer binary SEED COUNT              messages, encoded
//	protobuf_peer json SEED COUNT                messages, as JSON
//	protobuf_peer check-binary SEED COUNT        reads the messages again, encoded, and compares
//	protobuf_peer check-json SEED COUNT          reads the messages again, as JSON, and compares
//
// A record is the length of a name, the name, the length of a body, the body; lengths have four bytes, little-endian.
// The name is that of the type as which Lua reads the message: not always the one that it was written as.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"gantry.test/protobuf_peer/schema"
)

//go:generate protoc --go_out=. --go_opt=module=gantry.test/protobuf_peer schema/everything.proto schema/legacy.proto

// kind is a way to send one message: written as one type, read by Lua as another, compared as the first.
type kind struct {
	readAs string
	new    func() proto.Message
	json   bool // whether it is one for JSON too
}

var kinds = []kind{
	{"gantry.test.Everything", func() proto.Message { return &schema.Everything{} }, true},
	{"gantry.test.Scalars", func() proto.Message { return &schema.Scalars{} }, true},
	{"gantry.test.Optionals", func() proto.Message { return &schema.Optionals{} }, true},
	{"gantry.test.Lists", func() proto.Message { return &schema.Lists{} }, true},
	{"gantry.test.Lists", func() proto.Message { return &schema.Unpacked{} }, true},
	{"gantry.test.Unpacked", func() proto.Message { return &schema.Lists{} }, true},
	{"gantry.test.Maps", func() proto.Message { return &schema.Maps{} }, true},
	{"gantry.test.WellKnown", func() proto.Message { return &schema.WellKnown{} }, true},
	{"gantry.test.Older", func() proto.Message { return &schema.Newer{} }, false},
	{"gantry.test.legacy.Legacy", func() proto.Message { return &schema.Legacy{} }, false},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 2 && os.Args[1] == "descriptors" {
		writeDescriptors()
		return
	}
	if len(os.Args) != 4 {
		log.Fatal("usage: protobuf_peer descriptors | (binary|json|check-binary|check-json) SEED COUNT")
	}
	seed, count := number(os.Args[2]), number(os.Args[3])
	switch os.Args[1] {
	case "binary":
		write(seed, count, false)
	case "json":
		write(seed, count, true)
	case "check-binary":
		check(seed, count, false)
	case "check-json":
		check(seed, count, true)
	default:
		log.Fatal("unknown mode ", os.Args[1])
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// messages calls back for each message of a seed. Modes with JSON, either way, leave out what JSON cannot carry, and are
// told so by an odd seed: both sides of a comparison make the same messages.
func messages(seed, count int64, each func(index int64, kind kind, message proto.Message)) {
	g := newGenerator(seed)
	for index := int64(0); index < count; index++ {
		kind := kinds[g.Intn(len(kinds))]
		for g.forJSON && !kind.json {
			kind = kinds[g.Intn(len(kinds))]
		}
		message := kind.new()
		g.fill(message.ProtoReflect(), 0)
		each(index, kind, message)
	}
}

func write(seed, count int64, asJSON bool) {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	messages(seed, count, func(_ int64, kind kind, message proto.Message) {
		var body []byte
		var err error
		if asJSON {
			body, err = protojson.Marshal(message)
		} else {
			body, err = proto.Marshal(message)
		}
		if err != nil {
			log.Fatal(err)
		}
		writeRecord(out, kind.readAs, body)
	})
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

func check(seed, count int64, asJSON bool) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	messages(seed, count, func(index int64, kind kind, message proto.Message) {
		name, body := readRecord(in)
		if name != kind.readAs {
			log.Fatalf("message %d: it is of type %s, expected %s", index, name, kind.readAs)
		}
		found := kind.new()
		var err error
		if asJSON {
			err = protojson.Unmarshal(body, found)
		} else {
			err = proto.Unmarshal(body, found)
		}
		if err != nil {
			log.Fatalf("message %d (%s): %v\n%q", index, name, err, body)
		}
		normalize(message.ProtoReflect())
		normalize(found.ProtoReflect())
		if !proto.Equal(message, found) {
			log.Fatalf("message %d (%s) is not the same:\nbefore: %v\nafter:  %v", index, name, message, found)
		}
	})
	if _, err := in.ReadByte(); err != io.EOF {
		log.Fatal("more messages came than were sent")
	}
	fmt.Println("same", count)
}

func writeRecord(out *bufio.Writer, name string, body []byte) {
	for _, part := range [][]byte{[]byte(name), body} {
		var length [4]byte
		binary.LittleEndian.PutUint32(length[:], uint32(len(part)))
		_, _ = out.Write(length[:])
		_, _ = out.Write(part) // a failure is told by Flush
	}
}

func readRecord(in *bufio.Reader) (string, []byte) {
	var parts [2][]byte
	for i := range parts {
		var length [4]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			log.Fatal("the messages end early: ", err)
		}
		parts[i] = make([]byte, binary.LittleEndian.Uint32(length[:]))
		if _, err := io.ReadFull(in, parts[i]); err != nil {
			log.Fatal("the messages end early: ", err)
		}
	}
	return string(parts[0]), parts[1]
}

// writeDescriptors sends the schema's files and all that they import, those that import first: the order must not matter.
func writeDescriptors() {
	out := bufio.NewWriter(os.Stdout)
	seen := map[string]bool{}
	var send func(file protoreflect.FileDescriptor)
	send = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		body, err := proto.Marshal(protodesc.ToFileDescriptorProto(file))
		if err != nil {
			log.Fatal(err)
		}
		writeRecord(out, "", body)
		for i := 0; i < file.Imports().Len(); i++ {
			send(file.Imports().Get(i).FileDescriptor)
		}
	}
	send(schema.File_schema_everything_proto)
	send(schema.File_schema_legacy_proto)
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
