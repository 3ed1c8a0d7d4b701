// A client on Sarama that does what a JSON object in its first argument says, and answers with one JSON object a line.
//
// What is in this file takes every Sarama from 1.22 on; modern.go has what came later.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Order is what the tests ask for; a field that a command does not use is left out.
type Order struct {
	Command    string
	Bootstrap  []string
	Version    string // of the cluster that Sarama is told to expect, as in 2.1.0
	Codec      string
	Idempotent bool
	Committed  bool // read only what is committed
	Mechanism  string
	User       string
	Password   string
	Authority  string // a PEM file; TLS where it is there
	Topic      string
	Topics     []string
	Partition  int32
	From       int64
	Count      int
	Group      string
	Instance   string
	Strategy   string
	Manual     bool // commit by hand, after each record
	Quit       int  // leave after so many records
	ID         string
	Steps      []string
	Partitions int32
	Configs    map[string]*string
	Principal  string
	Records    []Record
	Millis     int64
}

// Record is one as the tests write it; null keys and values are no strings.
type Record struct {
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Key       *string           `json:"key"`
	Value     *string           `json:"value"`
	Headers   map[string]string `json:"headers"`
	Timestamp int64             `json:"timestamp"`
}

var commands = map[string]func(Order, *sarama.Config) error{
	"produce": produce, "consume": consume, "group": group, "offsets": offsets, "topics": topics,
}

var printing sync.Mutex

func say(values map[string]interface{}) {
	printing.Lock()
	defer printing.Unlock()
	line, err := json.Marshal(values)
	if err != nil {
		line = []byte(fmt.Sprintf("{\"error\": %q}", err.Error()))
	}
	fmt.Println(string(line))
}

func main() {
	var order Order
	if err := json.Unmarshal([]byte(os.Args[1]), &order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	config, err := configuration(order)
	if err == nil {
		run, known := commands[order.Command]
		if known {
			err = run(order, config)
		} else {
			err = errors.New("this Sarama has no " + order.Command)
		}
	}
	if err != nil {
		say(map[string]interface{}{"error": err.Error()})
		os.Exit(1)
	}
}

func configuration(order Order) (*sarama.Config, error) {
	config := sarama.NewConfig()
	config.ClientID = "sarama-tests"
	if order.Version != "" {
		version, err := sarama.ParseKafkaVersion(order.Version)
		if err != nil {
			return nil, err
		}
		config.Version = version
	}
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Return.Errors = true
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Metadata.Retry.Backoff = 50 * time.Millisecond
	if order.Idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	if order.Committed {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	switch order.Codec {
	case "gzip":
		config.Producer.Compression = sarama.CompressionGZIP
	case "snappy":
		config.Producer.Compression = sarama.CompressionSnappy
	case "lz4":
		config.Producer.Compression = sarama.CompressionLZ4
	case "zstd":
		config.Producer.Compression = sarama.CompressionZSTD
	}
	if order.Authority != "" {
		text, err := os.ReadFile(order.Authority)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(text)
		config.Net.TLS.Enable = true
		config.Net.TLS.Config = &tls.Config{RootCAs: pool}
	}
	if order.Mechanism != "" {
		config.Net.SASL.Enable = true
		config.Net.SASL.User = order.User
		config.Net.SASL.Password = order.Password
		config.Net.SASL.Mechanism = sarama.SASLMechanism(order.Mechanism)
		config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
			return &scram{hash: map[string]func() hash.Hash{"SCRAM-SHA-256": sha256New, "SCRAM-SHA-512": sha512New}[order.Mechanism]}
		}
	}
	configure(order, config)
	return config, nil
}

// configure sets what not every release of Sarama has. The old ones commit in a version that Kafka 4 takes only with a retention.
var configure = func(_ Order, config *sarama.Config) {
	config.Consumer.Offsets.Retention = 24 * time.Hour
}

func message(topic string, record Record) *sarama.ProducerMessage {
	made := &sarama.ProducerMessage{Topic: topic, Partition: record.Partition}
	if record.Key != nil {
		made.Key = sarama.StringEncoder(*record.Key)
	}
	if record.Value != nil {
		made.Value = sarama.StringEncoder(*record.Value)
	}
	if record.Timestamp != 0 {
		made.Timestamp = time.Unix(record.Timestamp/1000, record.Timestamp%1000*1e6)
	}
	names := make([]string, 0, len(record.Headers))
	for name := range record.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		made.Headers = append(made.Headers, sarama.RecordHeader{Key: []byte(name), Value: []byte(record.Headers[name])})
	}
	return made
}

func text(bytes []byte) *string {
	if bytes == nil {
		return nil
	}
	made := string(bytes)
	return &made
}

func read(message *sarama.ConsumerMessage) Record {
	headers := map[string]string{}
	for _, header := range message.Headers {
		headers[string(header.Key)] = string(header.Value)
	}
	return Record{
		Partition: message.Partition, Offset: message.Offset, Key: text(message.Key), Value: text(message.Value),
		Headers: headers, Timestamp: message.Timestamp.UnixNano() / 1e6,
	}
}

func produce(order Order, config *sarama.Config) error {
	producer, err := sarama.NewSyncProducer(order.Bootstrap, config)
	if err != nil {
		return err
	}
	messages := make([]*sarama.ProducerMessage, len(order.Records))
	for i, record := range order.Records {
		messages[i] = message(order.Topic, record)
	}
	if err := producer.SendMessages(messages); err != nil {
		var failures sarama.ProducerErrors
		if errors.As(err, &failures) && len(failures) > 0 {
			return fmt.Errorf("%w %s", err, failures[0].Err)
		}
		return err
	}
	offsets := make([]int64, len(messages))
	for i, message := range messages {
		offsets[i] = message.Offset
	}
	say(map[string]interface{}{"offsets": offsets})
	return producer.Close()
}

func consume(order Order, config *sarama.Config) error {
	consumer, err := sarama.NewConsumer(order.Bootstrap, config)
	if err != nil {
		return err
	}
	partition, err := consumer.ConsumePartition(order.Topic, order.Partition, order.From)
	if err != nil {
		return err
	}
	records := []Record{}
	for len(records) < order.Count {
		select {
		case message := <-partition.Messages():
			records = append(records, read(message))
		case failure := <-partition.Errors():
			return failure
		}
	}
	say(map[string]interface{}{"records": records, "high": partition.HighWaterMarkOffset()})
	if err := partition.Close(); err != nil {
		return err
	}
	return consumer.Close()
}

// offsets tells where a partition begins and ends, and the first offset from a time on.
func offsets(order Order, config *sarama.Config) error {
	client, err := sarama.NewClient(order.Bootstrap, config)
	if err != nil {
		return err
	}
	found := map[string]interface{}{}
	for name, at := range map[string]int64{"oldest": sarama.OffsetOldest, "newest": sarama.OffsetNewest, "at": order.Millis} {
		offset, err := client.GetOffset(order.Topic, order.Partition, at)
		if err != nil {
			return err
		}
		found[name] = offset
	}
	say(found)
	return client.Close()
}

// topics makes a topic, changes its configuration and its partitions, and deletes its records and itself.
func topics(order Order, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin(order.Bootstrap, config)
	if err != nil {
		return err
	}
	detail := &sarama.TopicDetail{NumPartitions: order.Partitions, ReplicationFactor: 1, ConfigEntries: order.Configs}
	if err := admin.CreateTopic(order.Topic, detail, false); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	again := admin.CreateTopic(order.Topic, detail, false)
	if err := admin.CreatePartitions(order.Topic, order.Partitions+1, nil, false); err != nil {
		return fmt.Errorf("partitions: %w", err)
	}
	found, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: order.Topic})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	configs := map[string]string{}
	for _, entry := range found {
		configs[entry.Name] = entry.Value
	}
	kept := "3600000"
	if err := admin.AlterConfig(sarama.TopicResource, order.Topic, map[string]*string{"retention.ms": &kept}, false); err != nil {
		return fmt.Errorf("alter: %w", err)
	}
	producer, err := sarama.NewSyncProducer(order.Bootstrap, config)
	if err != nil {
		return err
	}
	value := "x"
	for i := 0; i < 4; i++ {
		if _, _, err := producer.SendMessage(message(order.Topic, Record{Value: &value})); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
	}
	if err := admin.DeleteRecords(order.Topic, map[int32]int64{0: 3}); err != nil {
		return fmt.Errorf("delete records: %w", err)
	}
	say(map[string]interface{}{"again": fmt.Sprint(again), "configs": configs})
	// The tests look at the topic, then let it be deleted.
	bufio.NewReader(os.Stdin).ReadString('\n')
	if err := admin.DeleteTopic(order.Topic); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := producer.Close(); err != nil {
		return err
	}
	return admin.Close()
}

type member struct {
	order  Order
	cancel context.CancelFunc
	seen   int
	lock   sync.Mutex
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	say(map[string]interface{}{"claims": session.Claims(), "generation": session.GenerationID(), "member": session.MemberID()})
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		session.MarkMessage(message, "noted")
		if m.order.Manual {
			commit(session)
		}
		say(map[string]interface{}{"record": read(message)})
		m.lock.Lock()
		m.seen++
		last := m.seen == m.order.Quit
		m.lock.Unlock()
		if last {
			m.cancel()
		}
	}
	return nil
}

// commit is replaced where Sarama can commit by hand; before, it commits every second and when a session ends.
var commit = func(sarama.ConsumerGroupSession) {}

// group is a member until its input ends or it has read what it was to read.
func group(order Order, config *sarama.Config) error {
	config.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	// A broker that starts again may take its time.
	config.Metadata.Retry.Max = 600
	context, cancel := context.WithCancel(context.Background())
	made, err := sarama.NewConsumerGroup(order.Bootstrap, order.Group, config)
	if err != nil {
		cancel()
		return err
	}
	go func() {
		for failure := range made.Errors() {
			say(map[string]interface{}{"failure": failure.Error()})
		}
	}()
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	handler := &member{order: order, cancel: cancel}
	for context.Err() == nil {
		if err := made.Consume(context, order.Topics, handler); err != nil && context.Err() == nil {
			cancel()
			made.Close()
			return err
		}
	}
	err = made.Close()
	say(map[string]interface{}{"left": true})
	return err
}
