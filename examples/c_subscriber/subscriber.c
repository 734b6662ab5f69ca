/* Decodes the spikes of a stream: subscriber HOST PORT NAME [SECONDS]. Prints a line a second. */

#include <inttypes.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNITS 65536

static uint32_t expected, messages, lost, spikes, of_unit[UNITS];

/* Little-endian, whatever the machine is. */
static uint32_t u32(const uint8_t *at) {
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static void decode(const uint8_t *payload, size_t length) {
    if (length < 40 || memcmp(payload, "SPK1", 4) != 0 || length != 40 + 8 * (size_t)u32(payload + 36)) {
        fprintf(stderr, "not a message of spikes: %zu bytes\n", length);
        return;
    }
    uint32_t sequence = u32(payload + 4);
    if (messages > 0 && sequence > expected)
        lost += sequence - expected;
    expected = sequence + 1;
    messages++;
    for (size_t place = 40; place < length; place += 8) { /* unit, and microseconds since the step's beginning */
        spikes++;
        of_unit[u32(payload + place) % UNITS]++;
    }
}

static void on_message(struct mosquitto *client, void *user, const struct mosquitto_message *message) {
    (void)client, (void)user;
    decode(message->payload, (size_t)message->payloadlen);
}

static void on_connect(struct mosquitto *client, void *topic, int code) {
    if (code == 0)
        mosquitto_subscribe(client, NULL, topic, 0); /* here, so that it holds after a reconnect as well */
}

static void print_counts(void) {
    uint32_t busiest = 0;
    for (uint32_t unit = 1; unit < UNITS; unit++)
        if (of_unit[unit] > of_unit[busiest])
            busiest = unit;
    printf("%" PRIu32 " messages, %" PRIu32 " lost, %" PRIu32 " spikes, most of unit %" PRIu32 " (%" PRIu32 ")\n",
           messages, lost, spikes, busiest, of_unit[busiest]);
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count < 4) {
        fprintf(stderr, "subscriber HOST PORT NAME [SECONDS]\n");
        return 2;
    }
    char topic[256];
    snprintf(topic, sizeof topic, "spikeloop/%s/spikes", arguments[3]);
    time_t end = count > 4 ? time(NULL) + atoi(arguments[4]) : 0;
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(NULL, true, topic);
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_message_callback_set(client, on_message);
    int code = mosquitto_connect(client, arguments[1], atoi(arguments[2]), 60);
    if (code != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "no broker at %s:%s: %s\n", arguments[1], arguments[2], mosquitto_strerror(code));
        return 1;
    }
    for (time_t printed = time(NULL); end == 0 || time(NULL) < end;) {
        if (mosquitto_loop(client, 100, 1) != MOSQ_ERR_SUCCESS)
            mosquitto_reconnect(client);
        if (time(NULL) > printed) {
            print_counts();
            printed = time(NULL);
        }
    }
    print_counts();
    mosquitto_destroy(client);
    mosquitto_lib_cleanup();
    return 0;
}
