// Looks up each name as programs do, and prints it, its first IPv4 address or why there is none, and how many there are.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int count, char **names) {
	for (int i = 1; i < count; i++) {
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
		char first[INET_ADDRSTRLEN] = "";
		int all = 0, err = getaddrinfo(names[i], NULL, &hints, &found);
		for (struct addrinfo *a = found; a; a = a->ai_next, all++)
			if (!*first && a->ai_family == AF_INET)
				inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, first, sizeof first);
		printf("%s %s %d\n", names[i], err == EAI_NONAME ? "absent" : err ? gai_strerror(err) : first, all);
	}
}
