// A TLS server by its arguments: address, port, key store, password, protocols, suites, weak or strong.
import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import java.security.Security;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

public class Server {
    public static void main(String[] arguments) throws Exception {
        if (arguments[6].equals("weak")) {
            Security.setProperty("jdk.tls.disabledAlgorithms", "");
            Security.setProperty("jdk.certpath.disabledAlgorithms", "");
        }
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(new FileInputStream(arguments[2]), arguments[3].toCharArray());
        KeyManagerFactory managers = KeyManagerFactory.getInstance("SunX509");
        managers.init(keys, arguments[3].toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        InetAddress address = InetAddress.getByName(arguments[0]);
        SSLServerSocket listener = (SSLServerSocket)
            context.getServerSocketFactory().createServerSocket(Integer.parseInt(arguments[1]), 64, address);
        if (!arguments[4].isEmpty()) listener.setEnabledProtocols(arguments[4].split(","));
        if (!arguments[5].isEmpty()) listener.setEnabledCipherSuites(arguments[5].split(","));
        System.out.println("listening " + listener.getLocalPort());
        while (true) {
            SSLSocket connection = (SSLSocket) listener.accept();
            Thread thread = new Thread(() -> {
                try (connection) {
                    connection.setSoTimeout(30_000);
                    connection.startHandshake();
                } catch (Exception theirs) {
                    // The client broke off, or nothing suited both.
                }
            });
            thread.setDaemon(true);
            thread.start();
        }
    }
}
