package main

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/IBM/sarama"
)

// What Sarama has since its releases of 2021 to 2023: transactions, static members, commits by hand, more of the admin's requests.
func init() {
	commands["transact"] = transact
	commands["groups"] = groups
	commands["acls"] = acls
	commands["cluster"] = cluster
	commands["users"] = users
	commit = func(session sarama.ConsumerGroupSession) { session.Commit() }
	configure = func(order Order, config *sarama.Config) {
		config.Net.SASL.Version = sarama.SASLHandshakeV1
		config.Consumer.Group.InstanceId = order.Instance
		config.Consumer.Offsets.AutoCommit.Enable = !order.Manual
		if order.Strategy != "" {
			config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{map[string]sarama.BalanceStrategy{
				"range": sarama.NewBalanceStrategyRange(), "roundrobin": sarama.NewBalanceStrategyRoundRobin(),
				"sticky": sarama.NewBalanceStrategySticky(),
			}[order.Strategy]}
		}
	}
}

// transact writes the records in one transaction a step, each of which is to be committed, aborted, or left open;
// where a group is named, the offset `From` of the topic is committed for it in each, too.
func transact(order Order, config *sarama.Config) error {
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = order.ID
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewAsyncProducer(order.Bootstrap, config)
	if err != nil {
		return err
	}
	say(map[string]interface{}{"ready": true})
	for _, step := range order.Steps {
		if err := producer.BeginTxn(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		for _, record := range order.Records {
			marked := step
			if record.Value != nil {
				marked = step + "-" + *record.Value
			}
			record.Value = &marked
			producer.Input() <- message(order.Topic, record)
			select {
			case <-producer.Successes():
			case failure := <-producer.Errors():
				return fmt.Errorf("produce: %w", failure.Err)
			}
		}
		if order.Group != "" {
			consumed := map[string][]*sarama.PartitionOffsetMetadata{
				order.Topic: {{Partition: order.Partition, Offset: order.From}},
			}
			if err := producer.AddOffsetsToTxn(consumed, order.Group); err != nil {
				return fmt.Errorf("offsets: %w", err)
			}
		}
		switch step {
		case "commit":
			err = producer.CommitTxn()
		case "abort":
			err = producer.AbortTxn()
		default:
			say(map[string]interface{}{"open": true})
			select {}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	say(map[string]interface{}{"done": true})
	return producer.Close()
}

func groups(order Order, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin(order.Bootstrap, config)
	if err != nil {
		return err
	}
	listed, err := admin.ListConsumerGroups()
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	described, err := admin.DescribeConsumerGroups([]string{order.Group})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	members := map[string][]int32{}
	for id, one := range described[0].Members {
		assignment, err := one.GetMemberAssignment()
		if err != nil {
			return fmt.Errorf("assignment: %w", err)
		}
		members[id] = []int32{}
		if assignment != nil {
			members[id] = append(members[id], assignment.Topics[order.Topic]...)
		}
	}
	fetched, err := admin.ListConsumerGroupOffsets(order.Group, map[string][]int32{order.Topic: {0}})
	if err != nil {
		return fmt.Errorf("offsets: %w", err)
	}
	block := fetched.GetBlock(order.Topic, 0)
	deletion := admin.DeleteConsumerGroup(order.Group)
	say(map[string]interface{}{
		"type": listed[order.Group], "state": described[0].State, "protocol": described[0].Protocol, "members": members,
		"offset": block.Offset, "metadata": block.Metadata, "deletion": fmt.Sprint(deletion),
	})
	return admin.Close()
}

func acls(order Order, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin(order.Bootstrap, config)
	if err != nil {
		return err
	}
	resource := sarama.Resource{
		ResourceType: sarama.AclResourceTopic, ResourceName: order.Topic, ResourcePatternType: sarama.AclPatternPrefixed,
	}
	rule := sarama.Acl{
		Principal: order.Principal, Host: "*", Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow,
	}
	if err := admin.CreateACL(resource, rule); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	filter := sarama.AclFilter{
		ResourceType: sarama.AclResourceTopic, ResourceName: &order.Topic, ResourcePatternTypeFilter: sarama.AclPatternPrefixed,
		Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}
	found, err := admin.ListAcls(filter)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	deleted, err := admin.DeleteACL(filter, false)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	left, err := admin.ListAcls(filter)
	if err != nil {
		return fmt.Errorf("list again: %w", err)
	}
	principals := []string{}
	for _, one := range found {
		for _, rule := range one.Acls {
			principals = append(principals, rule.Principal+" "+rule.Operation.String())
		}
	}
	say(map[string]interface{}{"found": principals, "deleted": len(deleted), "left": len(left)})
	return admin.Close()
}

func cluster(order Order, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin(order.Bootstrap, config)
	if err != nil {
		return err
	}
	brokers, controller, err := admin.DescribeCluster()
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	described, err := admin.DescribeTopics([]string{order.Topic, order.Topic + "-none"})
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	listed, err := admin.ListTopics()
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	value := "4000"
	changes := map[string]sarama.IncrementalAlterConfigsEntry{
		"segment.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
	}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, order.Topic, changes, false); err != nil {
		return fmt.Errorf("alter: %w", err)
	}
	folders, err := admin.DescribeLogDirs([]int32{controller})
	if err != nil {
		return fmt.Errorf("folders: %w", err)
	}
	moves, moving := admin.ListPartitionReassignments(order.Topic, []int32{0})
	none := []string{}
	for _, topic := range described {
		none = append(none, fmt.Sprintf("%s %d %v", topic.Name, len(topic.Partitions), topic.Err))
	}
	sort.Strings(none)
	say(map[string]interface{}{
		"brokers": len(brokers), "topics": none, "listed": listed[order.Topic].NumPartitions, "folders": len(folders[controller]),
		"moves": len(moves), "moving": fmt.Sprint(moving),
	})
	return admin.Close()
}

// users makes one with a password, reads it, and deletes it.
func users(order Order, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin(order.Bootstrap, config)
	if err != nil {
		return err
	}
	made, err := admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{
		Name: order.User, Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: 8192, Salt: []byte("salty"),
		Password: []byte(order.Password),
	}})
	if err != nil {
		return fmt.Errorf("upsert: %w", err)
	}
	found, err := admin.DescribeUserScramCredentials([]string{order.User})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	failures := []string{}
	for _, one := range made {
		if !errors.Is(one.ErrorCode, sarama.ErrNoError) {
			failures = append(failures, one.ErrorCode.Error())
		}
	}
	iterations := []int32{}
	for _, one := range found[0].CredentialInfos {
		iterations = append(iterations, one.Iterations)
	}
	say(map[string]interface{}{"failures": strings.Join(failures, " "), "iterations": iterations})
	return admin.Close()
}
