// A TLS server by its settings, in what every release of Node since 0.8 understands. Hangs up after each handshake.
var fs = require('fs');
var tls = require('tls');

// Old releases raise a client's reset where nobody can catch it.
process.on('uncaughtException', function (error) {
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
});

var settings = JSON.parse(process.argv[2]);
var options = settings.options;
if (settings.key) {
  options.key = fs.readFileSync(settings.key);
  options.cert = fs.readFileSync(settings.chain);
}
if (settings.dhparam) options.dhparam = fs.readFileSync(settings.dhparam);

var server = tls.createServer(options, function (connection) {
  connection.on('error', function () {});
  connection.end();
});
server.on('clientError', function () {});
server.on('tlsClientError', function () {});
server.listen(settings.port, settings.address, function () {
  console.log('listening ' + server.address().port);
});
