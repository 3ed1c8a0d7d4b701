package org.jose4j.keys.resolvers;

/**
 * A name that the login of Kafka's client wants to find, and never uses: it belongs to how brokers check signatures, by a
 * library that the client's jars here come without.
 */
public interface VerificationKeyResolver {}
