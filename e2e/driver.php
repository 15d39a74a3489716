<?php
// A driver of sseconform (package internal/conform) for Symfony's EventSourceHttpClient, as Debian packages it (php-symfony-http-client):
//
//	sseconform client -- php driver.php

require '/usr/share/php/Symfony/Component/HttpClient/autoload.php';

use Symfony\Component\HttpClient\Chunk\ServerSentEvent;
use Symfony\Component\HttpClient\EventSourceHttpClient;

if (PHP_SAPI === 'cli') {
    // PHP's own server answers one request at a time in each of its processes, and notices late that the runner has gone. The
    // runner ends this one by ending its input.
    posix_setpgid(0, 0);
    $place = stream_socket_server('tcp://127.0.0.1:0');
    $address = stream_socket_get_name($place, false);
    fclose($place);
    $server = proc_open([PHP_BINARY, '-S', $address, __FILE__], [['pipe', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']], $pipes, null, ['PHP_CLI_SERVER_WORKERS' => '200'] + getenv());
    while (!@fsockopen('tcp://' . $address)) {
        usleep(10_000);
    }
    echo "http://$address\n";
    while (!feof(STDIN)) {
        fgets(STDIN);
    }
    pcntl_signal(SIGTERM, SIG_IGN);
    posix_kill(0, SIGTERM); // the whole group: PHP's server does not end its processes
    exit;
}

$tell = function (?array $line): void {
    echo $line ? json_encode($line, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE) : '', "\n";
    flush(); // ends the process if the runner has gone
};

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    $version = trim(shell_exec("dpkg-query -W -f '\${Version}' php-symfony-http-client"));
    $tell(['name' => 'symfony/http-client', 'version' => $version, 'ids' => false, 'headers' => true, 'reconnection' => 10_000]);
    return;
}
$order = json_decode(file_get_contents('php://input'), true);
header('Content-Type: application/x-ndjson');
$tell(null);
$client = new EventSourceHttpClient();
$events = 0;
try {
    $source = $client->connect($order['url'], ['headers' => $order['headers'] ?? []]);
    while (true) {
        foreach ($client->stream($source, 0.25) as $chunk) {
            if ($chunk->isTimeout()) {
                $tell(null);
            } elseif ($chunk instanceof ServerSentEvent) {
                $tell(['event' => ['type' => $chunk->getType(), 'data' => $chunk->getData()]]);
                if (++$events === ($order['close'] ?? 0)) {
                    $source->cancel();
                    return;
                }
            } elseif ($chunk->isLast()) {
                $tell(['closed' => 'the stream has ended']);
                return;
            }
        }
    }
} catch (Exception $e) {
    $tell(['closed' => $e->getMessage()]);
}
